"""What a decode step costs behind a short context and behind a long one."""

import time
from dataclasses import replace

import numpy as np

from flashstep.bench.figure import Figure
from flashstep.bench.settings import Settings
from flashstep.engine.batch import Batch, Int32
from flashstep.engine.loading import load_runner
from flashstep.engine.runner_protocol import RunnerProtocol

SHORTEST_CONTEXT = 1024
_SAMPLE_S = 0.1  # at least so long is one sample
# A page of memory holds at least this many positions of one head's values in every layout of ours.
_POSITIONS_PER_PAGE = 8


def context_lengths(longest: int) -> list[int]:
    """1024, 4096, ... up to `longest`, which is the last (and the only one when it is shorter)."""
    lengths = []
    length = SHORTEST_CONTEXT
    while length < longest:
        lengths.append(length)
        length *= 4
    return [*lengths, longest]


def measure_context(settings: Settings) -> list[Figure]:
    """Milliseconds of a plain decode step of one sequence at each context length that fits."""
    longest = min(settings.load.longest_context, settings.capacity_tokens)
    engine = replace(settings.engine, cache_weights=False, max_batch_tokens=settings.engine.max_sequences)
    sizes = replace(settings.sizes, num_full_blocks=-(-longest // engine.block_size))
    runner = load_runner(settings.folder, engine, sizes, lambda line: None)
    try:
        _touch(runner)
        figures = [_figure(settings, runner, length) for length in context_lengths(longest)]
    finally:
        runner.close()
    for figure in figures:
        figure.details["ratio_to_shortest"] = figure.median / figures[0].median
    return figures


def _figure(settings: Settings, runner: RunnerProtocol, length: int) -> Figure:
    batch = _last_token(runner, length)
    start = time.perf_counter()
    runner.forward(batch)
    calls = max(1, round(_SAMPLE_S / (time.perf_counter() - start)))
    samples = [1e3 * _seconds(runner, batch, calls) for _ in range(settings.load.rounds)]
    return Figure(name=f"decode step behind {length} tokens", unit="ms", samples=samples, drafting=False)


def _seconds(runner: RunnerProtocol, batch: Batch, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        runner.forward(batch)
    return (time.perf_counter() - start) / calls


def _last_token(runner: RunnerProtocol, length: int) -> Batch:
    """One row: the token that makes the context `length` tokens long."""
    full = np.arange(-(-length // runner.block_size), dtype=np.int32)[None]
    return Batch(_ints(0), _ints(length - 1), _ints(0, 1), full, full % runner.num_sliding_blocks, _ints(0))


def _touch(runner: RunnerProtocol) -> None:
    """Write into every page of the K/V cache. Pages that nobody wrote to are one and the same page of
    zeros, and reading them costs far less than reading memory."""
    count = runner.max_sequences
    for first in range(0, runner.num_full_blocks, count):
        blocks = np.arange(first, min(first + count, runner.num_full_blocks), dtype=np.int32)[:, None]
        for position in range(0, runner.block_size, _POSITIONS_PER_PAGE):
            rows = len(blocks)
            starts = np.arange(rows + 1, dtype=np.int32)
            zeros = np.zeros(rows, np.int32)
            sliding = blocks % runner.num_sliding_blocks
            runner.forward(Batch(zeros, zeros + position, starts, blocks, sliding, zeros[:1]))


def _ints(*values: int) -> Int32:
    return np.array(values, np.int32)
