"""Measures what this machine can do at best, before anything of ours is measured.

Each ceiling is the best of several tries with all threads at once: a busy machine lowers a try, nothing
raises one.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from flashstep.engine.config import WeightFormat
from flashstep.kernels.ceiling import (
    FLOAT32_MACS_PER_TURN,
    INT8_MACS_PER_TURN,
    TILE_MACS_PER_TURN,
    float32_turns,
    int8_turns,
    read_words,
    tile_turns,
)
from flashstep.kernels.cpu import HAS_AMX

MEMORY_BYTES = 512 << 20  # read as one buffer; more than a core's share of any cache
_TRY_BYTES = 256 << 20  # that one thread reads in one try of a small buffer
_TURNS = 1_000_000
_TRIES = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """What `num_threads` threads reach together, in bytes or multiply-adds per second.

    memory: reading a buffer of 512 MiB. weights: reading `weights_bytes` again and again, which a large
    cache may hold. int8 and float32: vectors; tile: bytes in the tiles of AMX, 0 where there are none.
    """

    num_threads: int
    memory_bytes_per_s: float
    weights_bytes: int
    weights_bytes_per_s: float
    int8_macs_per_s: float
    float32_macs_per_s: float
    tile_macs_per_s: float = 0.0

    def peak_of(self, weight_format: WeightFormat) -> tuple[str, float]:
        """The name of the peak that products of such weights can reach, and the peak."""
        if weight_format == "int8" and self.tile_macs_per_s:
            return "int8 peak of tiles", self.tile_macs_per_s
        if weight_format in ("int8", "int4"):
            return "int8 peak", self.int8_macs_per_s
        return "float32 peak", self.float32_macs_per_s

    def lines(self) -> list[str]:
        """The ceilings as text."""
        return [
            f"memory bandwidth: {self.memory_bytes_per_s / 1e9:.1f} GB/s ({MEMORY_BYTES >> 20} MiB read)",
            f"weight bandwidth: {self.weights_bytes_per_s / 1e9:.1f} GB/s "
            f"(the {self.weights_bytes / 1e6:.1f} MB that one token reads, again and again)",
            f"int8 peak: {self.int8_macs_per_s / 1e9:,.0f} GMAC/s",
            f"float32 peak: {self.float32_macs_per_s / 1e9:,.0f} GMAC/s",
            *(
                [f"int8 peak of tiles: {self.tile_macs_per_s / 1e9:,.0f} GMAC/s"]
                if self.tile_macs_per_s
                else []
            ),
        ]

    def to_json(self) -> dict[str, Any]:
        """The fields, ready for JSON."""
        return asdict(self)


def measure_ceilings(num_threads: int, weights_bytes: int, memory_bytes: int = MEMORY_BYTES) -> Ceilings:
    """Measure all of them; some seconds. Smaller `memory_bytes` are for tests."""
    with Gang.of(num_threads) as gang:
        return Ceilings(
            num_threads=num_threads,
            memory_bytes_per_s=gang.read_rate(memory_bytes),
            weights_bytes=weights_bytes,
            weights_bytes_per_s=gang.read_rate(weights_bytes),
            int8_macs_per_s=gang.rate(int8_turns, INT8_MACS_PER_TURN),
            float32_macs_per_s=gang.rate(float32_turns, FLOAT32_MACS_PER_TURN),
            tile_macs_per_s=gang.rate(tile_turns, TILE_MACS_PER_TURN) if HAS_AMX else 0.0,
        )


class Gang:
    """Threads that run the same compiled loop at the same time."""

    def __init__(self, pool: ThreadPoolExecutor, size: int) -> None:
        self._pool, self._size = pool, size

    @classmethod
    @contextmanager
    def of(cls, size: int) -> Iterator["Gang"]:
        """So many threads, until the block ends."""
        with ThreadPoolExecutor(size) as pool:
            yield cls(pool, size)

    def times_s(self, run: Callable[[int], object], num_tries: int = _TRIES) -> list[float]:
        """Seconds of each of several tries in which every thread i did `run(i)`."""
        run(0)  # compiles
        times = []
        for _ in range(num_tries):
            start = time.perf_counter()
            list(self._pool.map(run, range(self._size)))
            times.append(time.perf_counter() - start)
        return times

    def read_rate(self, num_bytes: int) -> float:
        """Bytes per second that all threads read of one buffer, each its own part of it."""
        words = np.ones(max(4 * self._size, num_bytes // 8), np.int64)
        passes = max(1, _TRY_BYTES * self._size // words.nbytes)
        bounds = [len(words) * i // self._size for i in range(self._size + 1)]
        seconds = min(self.times_s(lambda i: read_words(words, bounds[i], bounds[i + 1], passes)))
        return words.nbytes * passes / seconds

    def rate(self, turns: Callable[[int], object], macs_per_turn: int) -> float:
        """Multiply-adds per second of all threads."""
        return self._size * _TURNS * macs_per_turn / min(self.times_s(lambda i: turns(_TURNS)))
