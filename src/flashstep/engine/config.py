"""What an engine may use and how it works; block counts follow from memory and model.

Automatic choices happen in `resolve`, which returns a new object and changes nothing.
"""

import difflib
import math
import os
import re
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from flashstep.engine.block_manager import min_sliding_blocks
from flashstep.engine.runner_protocol import num_stale_rows
from flashstep.errors import ConfigError
from flashstep.kernels.limits import MAX_TOKENS
from flashstep.kernels.padding import key_depth, value_stride
from flashstep.model.config import LayerSpec, ModelConfig

WeightFormat = Literal["int4", "int8", "fp8", "bf16", "float32"]
WEIGHT_FORMATS: tuple[WeightFormat, ...] = ("int4", "int8", "bf16", "float32")  # of the runner "cpu"
EXPERT_FORMATS: tuple[WeightFormat, ...] = ("int4", "fp8")  # of the runner "torch", for its experts alone
TORCH_WEIGHT_FORMATS: tuple[WeightFormat, ...] = (*EXPERT_FORMATS, "bf16", "float32")
RunnerName = Literal["cpu", "torch"]
RUNNER_NAMES = get_args(RunnerName)
_CONTROL_GROUP = Path("/sys/fs/cgroup")
_DEVICE = re.compile(r"cpu|cuda(:\d+)?")
_BATCH_TOKENS = 512
_ROWS_PER_SEQUENCE = 8  # of a step; three drafts and the rows that they make anew are six
_MEMORY_BYTES = 1 << 30
_ARRAYS_BYTES = 4096  # slack and alignment of the four arrays behind the pools
_SLIDING_CACHE_SHARE = 0.25
_LEAST_CONTEXT_TOKENS = 256  # less holds no conversation, and is refused
_USEFUL_CONTEXT_TOKENS = 4096  # there is memory for by default; what a refusal recommends


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """Settings of one engine; ConfigError names a field that cannot work.

    runner: "cpu" = compiled kernels, "torch" = the PyTorch modules on `device`.
    device: of the torch runner, "cpu", "cuda" or "cuda:1"; None = "cuda". None for the runner "cpu".
    num_threads: compute threads; None = one per usable core.
    weight_format: how weights are held in memory; "int4" is the smallest, "bf16" exact for checkpoints of
        bfloat16, "float32" exact and slow. The torch runner takes the last two, and keeps K and V alike;
        "int4" and "fp8" are formats of its experts there, beside bf16.
    cache_weights: keep packed weights in the user's cache folder, so that the next start maps them.
    block_size: tokens per cache block, an even number beside integer weights.
    max_batch_tokens: most rows of one step; longer prompts are computed in chunks.
    max_sequences: most requests computed at once; others wait.
    kv_memory_bytes: memory for the K/V caches of all requests; it bounds the context length. None = 1 GiB, or
        what a context of 4096 tokens takes where that is more.
    num_draft_tokens: tokens the MTP modules draft per step; 0 = off.
    max_drafting_sequences: when more requests than these run at once, each of them takes one token per step
        from then on, to its end, because computing the drafts of many costs more than it saves.
    adaptive_drafting: a request whose drafts are rarely right stops drafting, and the next ones do not begin;
        nobody drafts on a machine where even right drafts cost more than they bring (measured at the start).
    prefix_cache: keep the K/V of ended requests as long as there is room, for prompts that begin alike.
    max_waiting: requests that may wait before further ones are refused.
    """

    runner: RunnerName = "cpu"
    device: str | None = None
    num_threads: int | None = None
    weight_format: WeightFormat = "int8"
    cache_weights: bool = True
    block_size: int = 16
    max_batch_tokens: int = _BATCH_TOKENS
    max_sequences: int = 64
    kv_memory_bytes: int | None = None
    num_draft_tokens: int = 3
    max_drafting_sequences: int = 2
    adaptive_drafting: bool = True
    prefix_cache: bool = True
    max_waiting: int = 256

    def __post_init__(self) -> None:
        for name in ("block_size", "max_batch_tokens", "max_sequences", "max_waiting"):
            _at_least(name, getattr(self, name), 1)
        if self.kv_memory_bytes is not None:
            _at_least("kv_memory_bytes", self.kv_memory_bytes, 1)
        for name in ("num_draft_tokens", "max_drafting_sequences"):
            _at_least(name, getattr(self, name), 0)
        if self.num_threads is not None:
            _at_least("num_threads", self.num_threads, 1)
        self._check_runner()

    def _check_runner(self) -> None:
        if self.runner not in RUNNER_NAMES:
            raise ConfigError(f"runner is {self.runner!r}; choose 'cpu' or 'torch'")
        if self.runner == "cpu" and self.device is not None:
            raise ConfigError(f"device is {self.device!r}, but the runner 'cpu' has none; choose 'torch'")
        if self.device is not None and not _DEVICE.fullmatch(self.device):
            raise ConfigError(f"device is {self.device!r}; choose cpu, cuda or cuda:N")
        choices = TORCH_WEIGHT_FORMATS if self.runner == "torch" else WEIGHT_FORMATS
        if self.weight_format not in choices:
            raise ConfigError(
                f"weight_format is {self.weight_format!r}; the runner {self.runner!r} holds "
                f"{', '.join(choices)}"
            )

    @classmethod
    def from_options(cls, options: dict[str, Any]) -> "EngineConfig":
        """Build from keyword options; an unknown name is a ConfigError with the nearest valid one.

        The default format of weights is the runner's: int8, or bf16 for torch. A step has room for the drafts
        of `max_sequences` requests, unless `max_batch_tokens` is given, too.
        """
        names = [f.name for f in fields(cls)]
        for name in options:
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1, cutoff=0.0)[0]
                raise ConfigError(f"unknown engine option '{name}'; did you mean '{near}'?")
        if options.get("runner") == "torch":
            options = {"weight_format": "bf16", **options}
        if sequences := options.get("max_sequences"):
            options = {"max_batch_tokens": max(_BATCH_TOKENS, _ROWS_PER_SEQUENCE * sequences), **options}
        return cls(**options)

    def resolve(self, model: ModelConfig) -> "ResolvedConfig":
        """Decide threads, drafts and block counts for `model`. ConfigError when memory is too small for a
        context that is of use.

        The sliding pool is made so large that it never runs out; the full pool gets the rest, but
        not more than every sequence could use. With a prefix cache a quarter of the rest goes to
        sliding blocks that outlive their request.
        """
        num_drafts, num_stale_rows = self._drafting(model)
        self._check_budget(num_drafts, num_stale_rows)
        pools, memory_bytes = self._pools(model), self.memory_bytes(model)
        self._check_memory(pools, memory_bytes, model.max_positions)
        num_full, num_sliding = pools.num_blocks(memory_bytes)
        return ResolvedConfig(
            num_threads=self.num_threads or usable_cores(),
            num_draft_tokens=num_drafts,
            num_full_blocks=num_full,
            num_sliding_blocks=num_sliding,
        )

    def memory_bytes(self, model: ModelConfig) -> int:
        """`kv_memory_bytes`, or what stands for it when `model` is loaded."""
        if self.kv_memory_bytes is not None:
            return self.kv_memory_bytes
        useful_tokens = min(model.max_positions, _USEFUL_CONTEXT_TOKENS)
        needed_mib = -(-self._pools(model).needed_bytes(useful_tokens) // 2**20)
        return max(_MEMORY_BYTES, needed_mib << 20)

    def _drafting(self, model: ModelConfig) -> tuple[int, int]:
        """Drafts a step, and the rows that modules may compute again."""
        num_drafts = min(self.num_draft_tokens, len(model.mtp))
        return num_drafts, num_stale_rows(len(model.mtp)) if num_drafts else 0

    def _pools(self, model: ModelConfig) -> "_Pools":
        return _Pools(self, model, self._num_sliding_blocks(model, *self._drafting(model)))

    @property
    def is_on_cpu(self) -> bool:
        """Whether the CPU computes, with either runner."""
        return self.runner == "cpu" or self.device == "cpu"

    @property
    def is_mixed(self) -> bool:
        """Whether only the experts have the format that the weights are named for."""
        return self.runner == "torch" and self.weight_format in EXPERT_FORMATS

    @property
    def bytes_per_cached_number(self) -> int:
        """Bytes of one number of K or V: 4 (float32) or 2 (bfloat16)."""
        if self.runner == "torch":  # keeps them as it computes
            return 4 if self.weight_format == "float32" else 2
        return bytes_per_cached_number(self.weight_format)

    def _check_budget(self, num_drafts: int, num_stale_rows: int) -> None:
        needed = self.max_sequences * (1 + num_drafts + num_stale_rows)
        if self.max_batch_tokens < needed:
            raise ConfigError(
                f"max_batch_tokens is {self.max_batch_tokens}, but {self.max_sequences} sequences with "
                f"{num_drafts} drafts each need {needed} per step; raise it or lower max_sequences"
            )

    def _check_memory(self, pools: "_Pools", memory_bytes: int, max_positions: int) -> None:
        """ConfigError when prompt and answer could have too few tokens together to be of use."""
        context = pools.context_tokens(memory_bytes)
        if context >= min(max_positions, _LEAST_CONTEXT_TOKENS):
            return
        needed_mib = -(-pools.needed_bytes(min(max_positions, _USEFUL_CONTEXT_TOKENS)) // 2**20)
        raise ConfigError(
            f"kv_memory_bytes is {memory_bytes}, which with max_sequences={self.max_sequences} and "
            f"max_batch_tokens={self.max_batch_tokens} leaves this model a context of {context} tokens; "
            f"raise kv_memory_bytes to {needed_mib << 20} (--kv-memory-mib {needed_mib}) for a context of "
            f"{pools.context_tokens(needed_mib << 20)}, or lower max_sequences (serve --max-sequences)"
        )

    def _num_sliding_blocks(self, model: ModelConfig, num_drafts: int, num_stale_rows: int) -> int:
        window = model_window(model)
        # The compiled kernels make several passes in a step.
        most_ahead = max(num_drafts, MAX_TOKENS - 1) if self.runner == "cpu" else num_drafts
        per_sequence = min_sliding_blocks(window + most_ahead, num_stale_rows, self.block_size)
        chunks = -(-self.max_batch_tokens // self.block_size)
        return self.max_sequences * (per_sequence + 1) + chunks


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedConfig:
    """The choices that `EngineConfig.resolve` made for one model."""

    num_threads: int
    num_draft_tokens: int
    num_full_blocks: int
    num_sliding_blocks: int


class _Pools:
    """How memory becomes blocks of one model. `num_working`: sliding blocks that requests need at most."""

    def __init__(self, config: EngineConfig, model: ModelConfig, num_working: int) -> None:
        self._block_size, self._max_positions = config.block_size, model.max_positions
        self._num_working = num_working
        self._full_bytes, self._sliding_bytes = block_bytes(
            model, config.block_size, config.bytes_per_cached_number
        )
        fixed_bytes = _ARRAYS_BYTES
        if config.runner == "torch":  # a spare block in each pool
            fixed_bytes = self._full_bytes + self._sliding_bytes
        self._taken_bytes = fixed_bytes + num_working * self._sliding_bytes
        self._kept_share = _SLIDING_CACHE_SHARE if config.prefix_cache and self._sliding_bytes else 0.0
        self._most = config.max_sequences * -(-model.max_positions // config.block_size)

    def num_blocks(self, memory_bytes: int) -> tuple[int, int]:
        """Blocks of the full and of the sliding pool; none of the full pool when memory is too small."""
        left_bytes = memory_bytes - self._taken_bytes
        if left_bytes < 0:
            return 0, self._num_working
        num_kept = min(int(left_bytes * self._kept_share) // max(1, self._sliding_bytes), self._most)
        left_bytes -= num_kept * self._sliding_bytes
        num_full = min(left_bytes // self._full_bytes, self._most) if self._full_bytes else self._most
        return num_full, self._num_working + num_kept

    def context_tokens(self, memory_bytes: int) -> int:
        """Tokens that one request can have."""
        return min(self._max_positions, self.num_blocks(memory_bytes)[0] * self._block_size)

    def needed_bytes(self, num_tokens: int) -> int:
        """Memory with which `context_tokens` is at least `num_tokens`."""
        full_bytes = -(-num_tokens // self._block_size) * self._full_bytes
        return self._taken_bytes + math.ceil(full_bytes / (1 - self._kept_share))


def bytes_per_cached_number(weight_format: WeightFormat) -> int:
    """Bytes of one number of K or V beside compiled kernels: integer weights are rounded far more than
    bfloat16 rounds, so K and V beside them are bfloat16; exact weights get float32."""
    return 2 if weight_format in ("int8", "int4") else 4


def usable_cores() -> int:
    """Cores that this process may keep busy: those it may run on, as far as its container's CPU limit
    allows; all of the machine's where the system cannot tell."""
    if sys.platform != "linux":
        return os.cpu_count() or 1
    cores = len(os.sched_getaffinity(0))
    return min(cores, cpu_limit(_CONTROL_GROUP) or cores)


def cpu_limit(control_group: Path) -> int | None:
    """Cores whose time the folder of a control group (version 1 or 2) grants, rounded up; None = no limit.

    The set of cores does not show such a limit. Threads beyond it make all of them wait: they work in step,
    and the system stops every one of them until the next period when the time of one is used up.
    """
    try:
        quota, period = _quota_and_period(control_group)
    except (OSError, ValueError):  # no such file, or "max"
        return None
    return -(-quota // period) if quota > 0 < period else None


def _quota_and_period(control_group: Path) -> tuple[int, int]:
    """Microseconds of CPU time in each period, and the length of one. ValueError for version 2 without a
    limit; in version 1 the quota is -1 then."""
    if (file := control_group / "cpu.max").exists():
        quota, period = file.read_text().split()
    else:
        quota, period = ((control_group / "cpu" / f"cpu.cfs_{x}_us").read_text() for x in ("quota", "period"))
    return int(quota), int(period)


def model_window(model: ModelConfig) -> int:
    """The widest window of the sliding layers, counting the current token; 1 without such layers."""
    windows = [layer.window_tokens for layer in (*model.layers, *model.mtp)]
    return max((w for w in windows if w is not None), default=1)


def block_bytes(model: ModelConfig, block_size: int, bytes_per_number: int) -> tuple[int, int]:
    """Bytes of one block in the full pool and in the sliding pool."""
    layers = (*model.layers, *model.mtp)
    full = sum(_kv_numbers(layer) for layer in layers if not layer.is_sliding)
    sliding = sum(_kv_numbers(layer) for layer in layers if layer.is_sliding)
    return full * block_size * bytes_per_number, sliding * block_size * bytes_per_number


def _kv_numbers(layer: LayerSpec) -> int:
    return layer.num_kv_heads * (key_depth(layer.head_dim) + value_stride(layer.head_dim))


def _at_least(name: str, value: int, low: int) -> None:
    if value < low:
        raise ConfigError(f"{name} is {value}; it must be at least {low}")
