"""What a step with drafts costs on this machine, measured once, when an engine starts.

Whether drafts pay depends on the CPU. Where 8-bit products are fast, decoding waits for weights, and a few
rows more cost little; without such instructions four rows take nearly three times as long as one. The shape
of the model alone (how many experts several rows read) foretold 2.6 plain steps for flashstep-nano and three
drafts; one CPU takes 2.4, another 4.4, more than the four tokens that such a step can bring.
"""

import math
import time
from collections.abc import Callable

import numpy as np

from flashstep.engine.batch import Batch, DraftBatch, Float32, Int32
from flashstep.engine.runner_protocol import RunnerProtocol

_LEAST_TRIES, _MOST_TRIES = 3, 12
_ENOUGH_S = 0.2  # for further tries


def measure_step_cost(
    runner: RunnerProtocol, num_drafts: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    """How long it takes to compute a step that verifies `num_drafts` drafts, all of them right, and makes new
    ones; in plain steps. The fastest tries count, so that a noisy neighbour changes little.

    Behind a window of context. Writes to the first blocks of both pools, which must be free. Infinite where
    model or pools have no room for such a step.
    """
    rows = 1 + num_drafts
    if _num_positions(runner) < rows:
        return math.inf
    plain, verifying = _trunk_batch(runner, 1), _trunk_batch(runner, rows)
    drafting = _draft_batch(runner, rows, runner.forward(verifying).hidden_TD.copy())
    steps: list[Callable[[], object]] = [
        lambda: runner.forward(plain), lambda: runner.forward(verifying), lambda: runner.draft(drafting)
    ]  # fmt: skip
    start_s, tries = clock(), 0
    best_s = [float("inf")] * len(steps)
    while tries < _LEAST_TRIES or (tries < _MOST_TRIES and clock() - start_s < _ENOUGH_S):
        best_s = [min(best, _seconds(step, clock)) for best, step in zip(best_s, steps, strict=True)]
        tries += 1
    return (best_s[1] + best_s[2]) / best_s[0]


def _seconds(step: Callable[[], object], clock: Callable[[], float]) -> float:
    start_s = clock()
    step()
    return clock() - start_s


def _trunk_batch(runner: RunnerProtocol, rows: int) -> Batch:
    """The newest rows of a sequence that drafts; a single one is of a sequence that does not."""
    return Batch(
        token_ids_T=_tokens(runner, rows),
        positions_T=_positions(runner, rows),
        query_starts_S1=np.array([0, rows], np.int32),
        full_table_SM=_table(runner),
        sliding_table_SM=_table(runner),
        logit_rows_R=np.arange(rows, dtype=np.int32),
        wants_hidden=rows > 1,
    )


def _draft_batch(runner: RunnerProtocol, rows: int, hidden_TD: Float32) -> DraftBatch:
    return DraftBatch(
        token_ids_T=_tokens(runner, rows),
        positions_T=_positions(runner, rows),
        query_starts_S1=np.array([0, rows], np.int32),
        sliding_table_SM=_table(runner),
        append_token_ids_SJ=np.full((1, runner.max_drafts), -1, np.int32),
        hidden_TD=hidden_TD,
    )


def _tokens(runner: RunnerProtocol, rows: int) -> Int32:
    """Different ones, far apart, which choose different experts."""
    return (np.arange(rows) * 997 % runner.config.vocab_size).astype(np.int32)


def _positions(runner: RunnerProtocol, rows: int) -> Int32:
    """The last ones that the blocks of `_table` hold."""
    end = _num_positions(runner)
    return np.arange(end - rows, end, dtype=np.int32)


def _num_positions(runner: RunnerProtocol) -> int:
    return min(_table(runner).size * runner.block_size, runner.config.max_positions)


def _table(runner: RunnerProtocol) -> Int32:
    """Blocks for one window, as far as there are any."""
    wanted = -(-runner.window_tokens // runner.block_size)
    most = min(runner.num_full_blocks, runner.num_sliding_blocks)
    return np.arange(min(wanted, most), dtype=np.int32)[None, :]
