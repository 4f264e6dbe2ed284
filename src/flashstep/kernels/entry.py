"""The compiled entry point: `run` checks a staged batch, announces it as a job, and carries it out.

It is called once per job by the caller of a step (twice where workers sleep and must be woken in between),
and by every worker thread once per awake spell; a worker runs jobs until it has waited in vain for a while
or is told to stop.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from flashstep.kernels.amx import close_tiles, open_tiles
from flashstep.kernels.decoding import NOTHING, PASSES, STALE_ROWS, TRUNK, Decoding, next_job
from flashstep.kernels.draft import draft_chain
from flashstep.kernels.forward import trunk
from flashstep.kernels.jit import entry_point, inner_kernel, source_stamp, stage_kernel
from flashstep.kernels.pointers import advance, reader
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

ANNOUNCE = -1  # as a thread's number
BAD_TOKEN, BAD_POSITION, BAD_BLOCK, BAD_ROW = -1, -2, -3, -4
REASONS = {
    BAD_TOKEN: "a token id outside the vocabulary",
    BAD_POSITION: "a position outside the block tables, or rows that do not ascend by one",
    BAD_BLOCK: "no valid block for a position that has to be read or written",
    BAD_ROW: "a logit row outside the batch, or query_starts that do not cover it",
}


class Crew(NamedTuple):
    """What the threads of a model share: `control` (spmd.py), `limits` of batches [vocabulary, block size,
    full blocks, sliding blocks, window, entries per table row], and room for the numbers of `sleepers`."""

    control: Int64
    limits: Int64
    sleepers: Int64


# What `run` reads, in this order.
RECORDS = (Crew, Weights, Tables, Caches, Workspace, Inputs, Decoding)


@inner_kernel
def _check_table(table: Int32, first: int, last: int, num_blocks: int) -> bool:
    for block in range(first, last + 1):
        if table[block] < 0 or table[block] >= num_blocks:
            return False
    return True


@inner_kernel
def _check_sequence(inputs: Inputs, sizes: Int64, num_further: int, num_earlier: int, s: int) -> int:
    """0, or what is wrong with sequence `s`, whose rows are followed by those of `num_further` passes, in
    which modules compute as many as `num_earlier` rows before.

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
    last += num_further * (end - start)
    is_trunk = inputs.counts[0] == TRUNK
    if last // size >= inputs.counts[5] or (is_trunk and last // size >= inputs.counts[4]):
        return BAD_POSITION
    oldest = max(0, first - num_earlier - sizes[4] + 1) // size
    if not _check_table(advance(inputs.sliding_table, s * sizes[5]), oldest, last // size, sizes[3]):
        return BAD_BLOCK
    if is_trunk and not _check_table(
        advance(inputs.full_table, s * sizes[5]), np.int64(0), last // size, sizes[2]
    ):
        return BAD_BLOCK
    return 0


@inner_kernel
def _check(inputs: Inputs, decoding: Decoding, sizes: Int64) -> int:
    """0, or the first reason why this batch cannot run."""
    rows, sequences, num_further = inputs.counts[1], inputs.counts[2], max(0, decoding.counts[PASSES] - 1)
    num_earlier = decoding.counts[STALE_ROWS] if num_further > 0 and rows > sequences else 0
    if inputs.query_starts[0] != 0 or inputs.query_starts[sequences] != rows:
        return BAD_ROW
    for s in range(sequences):
        if inputs.query_starts[s + 1] <= inputs.query_starts[s]:
            return BAD_ROW
    for s in range(sequences):
        reason = _check_sequence(inputs, sizes, num_further, num_earlier, s)
        if reason < 0:
            return reason
    for i in range(inputs.counts[3]):
        if inputs.logit_rows[i] < 0 or inputs.logit_rows[i] >= rows:
            return BAD_ROW
    return 0


@stage_kernel
def _execute(
    team: Team, weights: Weights, tables: Tables, caches: Caches, work: Workspace, inputs: Inputs,
    decoding: Decoding,
) -> None:  # fmt: skip
    open_tiles()
    job = inputs.counts[0]
    while job != NOTHING:
        step = new_step(team, weights, tables, caches, work, inputs)
        if job == TRUNK:
            trunk(step)
        else:
            draft_chain(step)
        job = next_job(step, decoding, job)
    close_tiles()
    barrier(team)


def _readers() -> list[Any]:
    first, made = 0, []
    for record in RECORDS:
        made.append(reader(record, first))
        first += len(record._fields)
    return made


_read_crew, _read_weights, _read_tables, _read_caches, _read_work, _read_inputs, _read_decoding = _readers()


def _make_run(stamp: int) -> Callable[..., int]:
    def run(thread: int, num_threads: int, addresses: Int64, cached: np.generic) -> int:
        """Carry out jobs over the arrays of RECORDS, which lie at `addresses`; `cached`: a number of the type
        of K and V.

        Thread ANNOUNCE checks the staged batch and announces the job. It returns a negative key of `REASONS`,
        or how many workers, numbered in `sleepers`, must be woken before thread 0 runs; with none of them
        it has carried out the job as thread 0. Others carry out jobs until asleep or stopped, and return 0.
        """
        crew, inputs = Crew(*_read_crew(addresses, cached)), Inputs(*_read_inputs(addresses, cached))
        decoding = Decoding(*_read_decoding(addresses, cached))
        if thread == ANNOUNCE:
            # The stamp must be used, or the cached code would not depend on it.
            reason = _check(inputs, decoding, crew.limits) if stamp else 0
            if reason < 0:
                return reason
            num_sleepers = claim_sleepers(crew.control, num_threads, crew.sleepers)
            if num_sleepers > 0:
                return num_sleepers
            thread = 0
        team = Team(crew.control, thread, num_threads)
        weights, tables = Weights(*_read_weights(addresses, cached)), Tables(*_read_tables(addresses, cached))
        caches, work = Caches(*_read_caches(addresses, cached)), Workspace(*_read_work(addresses, cached))
        done = FIRST_WORKER + thread * LINE + 1
        while thread == 0 or wait_for_job(team, crew.control[done]):
            if thread > 0:
                crew.control[done] += 1
                if atomic_load(crew.control, np.int64(STOP)) == 1:
                    break
            _execute(team, weights, tables, caches, work, inputs, decoding)
            if thread == 0:
                crew.sleepers[num_threads - 1] = 0
                break
        return 0

    return entry_point(run)


run = _make_run(source_stamp())
