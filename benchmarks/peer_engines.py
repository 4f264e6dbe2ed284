"""The engines that benchmarks/peers.py compares, each a process that answers prompts given as token ids.

Peers are looked for under one folder (`--peers`, FLASHSTEP_PEERS):

    llamacpp-build/bin/llama-server   gguf/NAME-q8_0.gguf, gguf/NAME-q4_0.gguf, gguf/NAME-q4_k_m.gguf
    venv-vllm/bin/vllm                ckpt/NAME-step3p5-nolimit (routed clamps off: vLLM has no CPU kernel for
                                      them) and vllm_shim/, a plugin that makes vLLM run the rest
    venv-hf/bin/python                ckpt/NAME-step3p5

What is not there is reported and left out. All processes are stopped (SIGSTOP) but the one whose turn it is.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from flashstep.bench.stream_client import complete_together
from flashstep.engine.config import EngineConfig, WeightFormat

START_S, TURN_S = 400.0, 400.0
MAX_DRAFTING_SEQUENCES = EngineConfig().max_drafting_sequences  # with more, drafts on and off are the same
TRANSFORMERS_OUTPUT, TRANSFORMERS_PROMPT = 9, 8192
_WORKER = Path(__file__).parent / "peer_transformers.py"


@dataclass(frozen=True, slots=True)
class Work:
    """`streams` requests at the same time, measured from the first prompt's sending to the last token.

    `unit`: what counts, the "output" tokens or the "prompt" tokens. (The time between tokens as a client sees
    it would be finer, but where engine and client share few cores, tokens reach a client in bursts.)
    """

    name: str
    unit: str
    streams: int
    prompt_tokens: int
    output_tokens: int

    def rate(self, seconds: float) -> float:
        """Tokens per second of all streams."""
        return self.streams * (self.prompt_tokens if self.unit == "prompt" else self.output_tokens) / seconds


@dataclass(frozen=True, slots=True)
class Model:
    """`name` finds a peer's files; `folder` is the checkpoint for us and for the prompts."""

    name: str
    folder: Path
    has_real_drafts: bool  # random weights accept no draft


class NotInstalled(Exception):
    """Why an engine cannot take part."""


@dataclass(kw_only=True)
class Engine:
    """One engine in one configuration. `drafting`: whether it drafts with MTP."""

    label: str
    precision: str
    drafting: bool = False
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    is_ours: bool = False
    process: subprocess.Popen[Any] | None = None

    @property
    def group(self) -> int:
        """The process group of the engine, 0 before its start."""
        return self.process.pid if self.process is not None else 0

    def start(self, log: Path) -> None:
        """Start the process and wait until it answers. RuntimeError when it does not."""
        with log.open("w") as file:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=self._stdout(file), stderr=file, text=True,
                env=os.environ | self.environment, start_new_session=True,
            )  # fmt: skip
        self.wait_ready()

    def pause(self) -> None:
        """Take no CPU until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """End the process."""
        self._signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def wait_ready(self) -> None:
        """Return once a prompt would be answered. RuntimeError when that does not come."""
        raise NotImplementedError

    def run(self, work: Work, prompts: list[list[int]]) -> float:
        """Answer the prompts; returns the work's rate."""
        raise NotImplementedError

    def _stdout(self, log: Any) -> Any:
        return log

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, number)


@dataclass(kw_only=True)
class HttpEngine(Engine):
    """An OpenAI-compatible server on `port`."""

    port: int
    served_name: str = "step"

    def wait_ready(self) -> None:
        """Poll /health."""
        assert self.process is not None
        end = time.monotonic() + START_S
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.3)
        raise RuntimeError(f"{self.label} did not start")

    def run(self, work: Work, prompts: list[list[int]]) -> float:
        """Through HTTP, streamed; tokens counted from usage."""

        async def ask() -> tuple[float, list[Any]]:
            asking = complete_together(
                f"http://127.0.0.1:{self.port}", prompts, work.output_tokens, model=self.served_name
            )
            return await asyncio.wait_for(asking, TURN_S)

        seconds, answers = asyncio.run(ask())
        num_tokens = sum(answer.num_tokens for answer in answers)
        if num_tokens != work.streams * work.output_tokens:
            raise RuntimeError(f"{self.label} made {num_tokens} tokens")
        return work.rate(seconds)


@dataclass(kw_only=True)
class TransformersEngine(Engine):
    """transformers in a worker process: one batch, all prompts of one length; of the output only the first
    TRANSFORMERS_OUTPUT tokens are computed, and the rest is reckoned to take as long for each."""

    def wait_ready(self) -> None:
        """Wait for the worker's first line."""
        assert self.process is not None
        assert self.process.stdout is not None
        if self.process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"{self.label} did not start")

    def run(self, work: Work, prompts: list[list[int]]) -> float:
        """One batch."""
        assert self.process is not None
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        num_output = min(work.output_tokens, TRANSFORMERS_OUTPUT)
        self.process.stdin.write(json.dumps({"prompts": prompts, "num_output": num_output}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        first_s, later_s = answer["first_s"], answer["seconds"] - answer["first_s"]
        return work.rate(first_s + later_s * (work.output_tokens - 1) / max(1, num_output - 1))

    def _stdout(self, log: Any) -> Any:
        return subprocess.PIPE


def contestants(root: Path | None, model: Model, work: Work, threads: int) -> tuple[list[Engine], list[str]]:
    """The engines that can do this work, ours first, and a line about each that cannot."""
    engines, missing = _ours(model, work, threads), []
    for make in (_llama_servers, _vllm, _transformers):
        try:
            if root is None:
                raise NotInstalled("no peers: give --peers FOLDER or set FLASHSTEP_PEERS")
            engines += make(root, model, work, threads)
        except NotInstalled as reason:
            missing.append(str(reason))
    return engines, missing


def _ours(model: Model, work: Work, threads: int) -> list[Engine]:
    engines: list[Engine] = []
    for weight_format in ("int8", "int4"):
        if weight_format in get_args(WeightFormat):
            engines += [_flashstep(model, threads, weight_format, has_drafts=False)]
    if model.has_real_drafts and work.output_tokens > 1 and work.streams <= MAX_DRAFTING_SEQUENCES:
        engines.append(_flashstep(model, threads, "int8", has_drafts=True))
    return engines


def _flashstep(model: Model, threads: int, weight_format: str, has_drafts: bool) -> Engine:
    port = free_port()
    command = [
        sys.executable, "-m", "flashstep", "serve", "--port", str(port), "--quiet",
        "--model", str(model.folder), "--threads", str(threads), "--weight-format", weight_format,
        "--drafts" if has_drafts else "--no-drafts", "--trace-store", "off",
        "--kv-memory-mib", "2304",  # what the largest of the checkpoints needs
    ]  # fmt: skip
    return HttpEngine(
        label=f"flashstep {weight_format}{' + MTP' if has_drafts else ''}", precision=weight_format,
        drafting=has_drafts, command=command, port=port, served_name="step-3.5-flash", is_ours=True,
    )  # fmt: skip


def _llama_servers(root: Path, model: Model, work: Work, threads: int) -> list[Engine]:
    server = _needed(root / "llamacpp-build/bin/llama-server", "llama.cpp")
    engines = []
    for quant, has_drafts in (("q8_0", False), ("q4_0", False), ("q4_k_m", False), ("q8_0", True)):
        if has_drafts and not (model.has_real_drafts and work.output_tokens > 1):
            continue
        weights = _needed(root / f"gguf/{model.name}-{quant}.gguf", "llama.cpp")
        port = free_port()
        per_slot = work.prompt_tokens + work.output_tokens + 64
        command = [
            str(server), "-m", str(weights), "--host", "127.0.0.1", "--port", str(port),
            "-np", str(work.streams), "-c", str(work.streams * per_slot), "--cache-ram", "0",
            "-t", str(threads), "-tb", str(threads),
        ]  # fmt: skip
        if has_drafts:
            command += ["--spec-type", "draft-mtp", "--spec-draft-n-max", "3"]
        label = f"llama-server {quant}{' + MTP' if has_drafts else ''}"
        engines.append(
            HttpEngine(label=label, precision=quant, drafting=has_drafts, command=command, port=port)
        )
    return list(engines)


def _vllm(root: Path, model: Model, work: Work, threads: int) -> list[Engine]:
    program = _needed(root / "venv-vllm/bin/vllm", "vLLM")
    folder = _needed(root / f"ckpt/{model.name}-step3p5-nolimit", "vLLM")
    port = free_port()
    preloads = [
        Path("/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4"),
        root / "venv-vllm/lib/libiomp5.so",
    ]
    command = [
        str(program), "serve", str(folder), "--host", "127.0.0.1", "--port", str(port), "--dtype", "bfloat16",
        "--max-model-len", "33280", "--max-num-seqs", "32", "--served-model-name", "step",
        "--no-enable-prefix-caching",
    ]  # fmt: skip
    environment = {
        "VLLM_CPU_KVCACHE_SPACE": "2", "VLLM_CPU_OMP_THREADS_BIND": f"0-{threads - 1}",
        "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1",
        "VLLM_CACHE_ROOT": str(root / "vllm-cache"), "PYTHONPATH": str(root / "vllm_shim"),
        "TORCHINDUCTOR_CACHE_DIR": str(root / "vllm-cache/inductor"),
        "PATH": f"{root / 'venv-vllm/bin'}:{os.environ['PATH']}",
        "LD_PRELOAD": ":".join(str(path) for path in preloads if path.exists()),
    }  # fmt: skip
    return [
        HttpEngine(
            label="vLLM bf16 + shim", precision="bf16", command=command, environment=environment, port=port
        )
    ]


def _transformers(root: Path, model: Model, work: Work, threads: int) -> list[Engine]:
    python = _needed(root / "venv-hf/bin/python", "transformers")
    folder = _needed(root / f"ckpt/{model.name}-step3p5", "transformers")
    if work.prompt_tokens > TRANSFORMERS_PROMPT:
        raise NotInstalled(
            f"transformers: keeps all scores of attention, not run beyond {TRANSFORMERS_PROMPT}"
        )
    dtype = "bfloat16" if model.name == "mid" else "float32"
    command = [str(python), str(_WORKER), str(folder), dtype, str(threads)]
    return [
        TransformersEngine(
            label=f"transformers {dtype}", precision=dtype, command=command, environment={"PYTHONPATH": ""}
        )
    ]


def _needed(path: Path, peer: str) -> Path:
    if not path.exists():
        raise NotInstalled(f"{peer}: not installed ({path.name} not found)")
    return path


def free_port() -> int:
    """A TCP port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
