"""What a long context costs on the built-in model: prefill, decode, memory, and the stall of other streams.

One prompt grows to --longest tokens (1024, 2048, ... doubling). Each length is a request of its own that
takes over the beginning from the one before (prefix cache), computes the rest in chunks, and then decodes
--steps tokens greedily without drafts. Measured: seconds per chunk, milliseconds per decode step, tokens
whose K/V the sliding layers hold, resident memory against its budget (what the process holds once the model
is loaded, and the K/V memory). Beside a step stands the time that reading K and V of the full layers takes
at this machine's memory bandwidth, a floor once they outgrow its caches. Results are written after every
length. Then the stall: --streams decode while a prompt of --stall-prompt tokens is computed; inter-token
latencies before and meanwhile.

usage: python benchmarks/context.py [--model FOLDER] [--longest 262144] [--threads 2] [--out FILE.json]
"""

import argparse
import json
import resource
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from provenance import provenance

from flashstep.bench.ceilings import measure_ceilings
from flashstep.cli.model_path import resolve_model_path
from flashstep.engine.config import EngineConfig, block_bytes, model_window
from flashstep.engine.engine import Engine
from flashstep.engine.loading import load_engine
from flashstep.model.config import ModelConfig
from flashstep.types import Request, SamplingParams

SHORTEST, BLOCK_SIZE = 1024, 16


def resident_mib() -> float:
    """Memory that this process holds now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / (1 << 20)


def spread(values: list[float]) -> dict[str, float]:
    """Median, min, max and 95th percentile of seconds, as milliseconds."""
    ms = sorted(1e3 * value for value in values)
    return {
        "median": statistics.median(ms),
        "min": ms[0],
        "max": ms[-1],
        "p95": float(np.percentile(ms, 95)),
    }


def greedy(name: str, token_ids: list[int], max_tokens: int) -> Request:
    """A request that ends by length alone."""
    params = SamplingParams(temperature=0.0, max_tokens=max_tokens, ignore_eos=True, repetition_guard=False)
    return Request(name, "", tuple(token_ids), params, frozenset())


class Growing:
    """One prompt that grows, length after length."""

    def __init__(self, engine: Engine, longest: int, steps: int) -> None:
        self.engine, self.steps = engine, steps
        most = min(longest, engine.context_length - steps - 1)
        self.token_ids = [int(i) for i in np.random.default_rng(1).integers(16, 1000, most)]

    def lengths(self) -> list[int]:
        """1024, 2048, ... and the longest."""
        most = len(self.token_ids)
        return [*(SHORTEST << i for i in range(30) if SHORTEST << i < most), most]

    def measure(self, length: int) -> dict[str, Any]:
        """One row of figures: the rest of the prompt up to `length`, then decode steps behind it."""
        engine = self.engine
        engine.add(greedy(f"to {length}", self.token_ids[:length], self.steps))
        chunks: list[float] = []
        steps: list[float] = []
        cached = sliding_in_prefill = sliding_in_decode = 0
        while engine.has_work:
            rows = engine.metrics.num_batch_tokens
            start = time.perf_counter()
            outputs = engine.step()
            seconds = time.perf_counter() - start
            rows = engine.metrics.num_batch_tokens - rows
            if outputs and not steps:
                cached = outputs[0][1].cached_tokens
            held = engine.num_sliding_blocks_owned * BLOCK_SIZE
            num_tokens = sum(len(output.token_ids) for _, output in outputs)
            if rows == num_tokens:  # each pass of a decode step has one row
                steps += [seconds / num_tokens] * num_tokens
                sliding_in_decode = max(sliding_in_decode, held)
            else:
                chunks.append(seconds)
                sliding_in_prefill = max(sliding_in_prefill, held)
        return {
            "context_tokens": length,
            "cached_tokens": cached,
            "prefill_s": sum(chunks),
            "last_full_chunk_ms": 1e3 * chunks[max(0, len(chunks) - 2)],
            "decode_ms": spread(steps),
            "most_sliding_tokens_in_prefill": sliding_in_prefill,
            "most_sliding_tokens_in_decode": sliding_in_decode,
            "resident_mib": resident_mib(),
        }


def measure_stall(engine: Engine, num_streams: int, prompt_tokens: int) -> dict[str, Any]:
    """Seconds between the tokens of running streams, alone and while a long prompt is computed."""
    rng = np.random.default_rng(2)
    for i in range(num_streams):
        engine.add(greedy(f"stream {i}", [int(t) for t in rng.integers(16, 1000, 64)], 100_000))
    alone = [_timed_step(engine)[0] for _ in range(220)][20:]
    engine.add(greedy("long", [int(t) for t in rng.integers(16, 1000, prompt_tokens)], 2))
    meanwhile, names = [], set()
    while "long" not in names:
        seconds, names = _timed_step(engine)
        meanwhile.append(seconds)
    for i in range(num_streams):
        engine.abort(f"stream {i}")
    while engine.has_work:
        engine.step()
    return {
        "streams": num_streams,
        "prompt_tokens": prompt_tokens,
        "inter_token_ms_alone": spread(alone),
        "inter_token_ms_meanwhile": spread(meanwhile),
        "first_token_of_the_prompt_s": sum(meanwhile),
    }


def _timed_step(engine: Engine) -> tuple[float, set[str]]:
    """Seconds for each token that a stream got, and who got some."""
    start = time.perf_counter()
    outputs = engine.step()
    most_tokens = max((len(output.token_ids) for _, output in outputs), default=1)
    return (time.perf_counter() - start) / most_tokens, {name for name, _ in outputs}


def plot(rows: list[dict[str, Any]], file: Path) -> None:
    """Decode step and its floor against context length, both axes logarithmic."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    lengths = [row["context_tokens"] for row in rows]
    steps = [row["decode_ms"] for row in rows]
    axes.fill_between(lengths, [s["min"] for s in steps], [s["p95"] for s in steps], alpha=0.2)
    axes.plot(lengths, [s["median"] for s in steps], marker="o", label="decode step (band: min to p95)")
    axes.plot(lengths, [row["kv_read_ms"] for row in rows], "--", label="reading K and V from memory")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("context, tokens")
    axes.set_ylabel("ms per step, one sequence, no drafts")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(file, dpi=120)


def main() -> None:
    """Measure, print, write; results are written after every length."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path)
    parser.add_argument("--longest", type=int, default=262144)
    parser.add_argument("--steps", type=int, default=48)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--kv-memory-mib", type=int, default=1024)
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--stall-prompt", type=int, default=32768)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    result: dict[str, Any] = provenance() | {"benchmark": "context", "threads": args.threads, "rows": []}
    folder, memory = resolve_model_path(args.model), args.kv_memory_mib << 20
    model = ModelConfig.load(folder)
    kv_bytes = block_bytes(model, BLOCK_SIZE, EngineConfig().bytes_per_cached_number)[0] // BLOCK_SIZE
    ceilings = measure_ceilings(args.threads, 256 << 20)
    result |= {"ceilings": ceilings.to_json(), "kv_bytes_per_token": kv_bytes}
    before_mib = resident_mib()
    result["memory"] = {"before_loading_mib": before_mib, "kv_memory_mib": args.kv_memory_mib}
    config = EngineConfig(num_threads=args.threads, num_draft_tokens=0, kv_memory_bytes=memory)
    engine = load_engine(folder, config)
    window = model_window(model)
    result["memory"] |= {"loaded_mib": resident_mib(), "budget_mib": resident_mib() + args.kv_memory_mib}
    result["sliding_window_tokens"] = window
    save(result, args.out)
    result["stall"] = measure_stall(engine, args.streams, args.stall_prompt)
    print(json.dumps(result["stall"]), flush=True)
    growing = Growing(engine, args.longest, args.steps)
    for length in growing.lengths():
        row = growing.measure(length)
        row["kv_read_ms"] = 1e3 * length * kv_bytes / ceilings.memory_bytes_per_s
        result["rows"].append(row)
        row["ratio_to_shortest"] = row["decode_ms"]["median"] / result["rows"][0]["decode_ms"]["median"]
        row["ratio_of_minima"] = row["decode_ms"]["min"] / result["rows"][0]["decode_ms"]["min"]
        print(json.dumps(row), flush=True)
        save(result, args.out)
    engine.close()


def save(result: dict[str, Any], file: Path | None) -> None:
    """Write the figures and, from two lengths on, the plot beside them."""
    if file is None:
        return
    file.write_text(json.dumps(result, indent=1) + "\n")
    if len(result["rows"]) > 1:
        plot(result["rows"], file.with_suffix(".png"))


if __name__ == "__main__":
    main()
