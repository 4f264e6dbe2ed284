"""The two compiled entry points: `publish` checks a staged batch and starts a job, `run` carries it out.

`run` is called by thread 0 once per job and by every worker thread once per awake spell, with the same
arrays; a worker runs jobs until it has waited in vain for a while or is told to stop.
"""

from collections.abc import Callable

import numpy as np

from flashstep.kernels.draft import draft_chain
from flashstep.kernels.forward import trunk
from flashstep.kernels.jit import entry_point, inner_kernel, source_stamp, stage_kernel
from flashstep.kernels.pointers import advance, pointers
from flashstep.kernels.spmd import (
    FIRST_WORKER,
    LINE,
    STOP,
    Team,
    atomic_load,
    barrier,
    claim_sleepers,
    wait_for_job,
)
from flashstep.kernels.step import new_step
from flashstep.kernels.tables import Caches, Inputs, Int32, Int64, Tables, Weights
from flashstep.kernels.workspace import Workspace

TRUNK, DRAFT = 0, 1  # values of counts[0]
BAD_TOKEN, BAD_POSITION, BAD_BLOCK, BAD_ROW = -1, -2, -3, -4
REASONS = {
    BAD_TOKEN: "a token id outside the vocabulary",
    BAD_POSITION: "a position outside the block tables, or rows that do not ascend by one",
    BAD_BLOCK: "no valid block for a position that has to be read or written",
    BAD_ROW: "a logit row outside the batch, or query_starts that do not cover it",
}


@inner_kernel
def _check_table(table: Int32, first: int, last: int, num_blocks: int) -> bool:
    for block in range(first, last + 1):
        if table[block] < 0 or table[block] >= num_blocks:
            return False
    return True


@inner_kernel
def _check_sequence(inputs: Inputs, sizes: Int64, s: int) -> int:
    """0, or what is wrong with sequence `s`.

    sizes: [vocabulary, block size, full blocks, sliding blocks, window, entries per table row].
    """
    size, start, end = sizes[1], np.int64(inputs.query_starts[s]), np.int64(inputs.query_starts[s + 1])
    first, last = np.int64(inputs.positions[start]), np.int64(inputs.positions[end - 1])
    if first < 0:
        return BAD_POSITION
    for t in range(start, end):
        if inputs.positions[t] != first + t - start:
            return BAD_POSITION
        if inputs.token_ids[t] < 0 or inputs.token_ids[t] >= sizes[0]:
            return BAD_TOKEN
    is_trunk = inputs.counts[0] == TRUNK
    if last // size >= inputs.counts[5] or (is_trunk and last // size >= inputs.counts[4]):
        return BAD_POSITION
    oldest = max(0, first - sizes[4] + 1) // size
    if not _check_table(advance(inputs.sliding_table, s * sizes[5]), oldest, last // size, sizes[3]):
        return BAD_BLOCK
    if is_trunk and not _check_table(
        advance(inputs.full_table, s * sizes[5]), np.int64(0), last // size, sizes[2]
    ):
        return BAD_BLOCK
    return 0


@inner_kernel
def _check(inputs: Inputs, sizes: Int64) -> int:
    """0, or the first reason why this batch cannot run."""
    rows, sequences = inputs.counts[1], inputs.counts[2]
    if inputs.query_starts[0] != 0 or inputs.query_starts[sequences] != rows:
        return BAD_ROW
    for s in range(sequences):
        if inputs.query_starts[s + 1] <= inputs.query_starts[s]:
            return BAD_ROW
    for s in range(sequences):
        reason = _check_sequence(inputs, sizes, s)
        if reason < 0:
            return reason
    for i in range(inputs.counts[3]):
        if inputs.logit_rows[i] < 0 or inputs.logit_rows[i] >= rows:
            return BAD_ROW
    return 0


@stage_kernel
def _execute(
    team: Team, weights: Weights, tables: Tables, caches: Caches, work: Workspace, inputs: Inputs
) -> None:
    step = new_step(team, weights, tables, caches, work, inputs)
    if inputs.counts[0] == TRUNK:
        trunk(step)
    else:
        draft_chain(step)
    barrier(team)


def _make_run(stamp: int) -> Callable[..., int]:
    def run(
        thread: int, num_threads: int, weights: tuple, tables: tuple, caches: tuple, work: tuple,  # type: ignore[type-arg]
        inputs: tuple, control: Int64,  # type: ignore[type-arg]
    ) -> int:  # fmt: skip
        """Thread 0: carry out the published job. Others: carry out jobs until asleep or stopped.

        The tuples are `Weights`, `Tables`, `Caches`, `Workspace` and `Inputs` as plain tuples (the
        compiler takes those in faster). Returns the source stamp.
        """
        team = Team(control, thread, num_threads)
        w, t, c = Weights(*pointers(weights)), Tables(*pointers(tables)), Caches(*pointers(caches))
        a, i = Workspace(*pointers(work)), Inputs(*pointers(inputs))
        if thread == 0:
            _execute(team, w, t, c, a, i)
            return stamp
        done = FIRST_WORKER + thread * LINE + 1
        while wait_for_job(team, control[done]):
            control[done] += 1
            if atomic_load(control, np.int64(STOP)) == 1:
                break
            _execute(team, w, t, c, a, i)
        return stamp

    return entry_point(run)


def _make_publish(stamp: int) -> Callable[..., int]:
    def publish(inputs: tuple, sizes: Int64, control: Int64, num_threads: int, sleepers: Int64) -> int:  # type: ignore[type-arg]
        """Check the staged batch and announce the job.

        Returns how many workers in `sleepers` must be woken, or a negative key of `REASONS`.
        """
        reason = _check(Inputs(*pointers(inputs)), sizes) if stamp else 0
        if reason < 0:
            return reason
        return claim_sleepers(control, num_threads, sleepers)

    return entry_point(publish)


_STAMP = source_stamp()
run = _make_run(_STAMP)
publish = _make_publish(_STAMP)
