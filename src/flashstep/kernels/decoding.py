"""Several passes in one job: what a pass chose becomes the rows of the next one in here.

Between two passes of a small model the caller would take a quarter of the time, more than that with drafts.
All sequences of such a job decode, each with the same number of rows: its newest token and the drafts behind
it, which are none or one for each MTP module. Choices are those of `engine/sampler.py`, the rule that
verifies drafts and the rows that the modules compute again are those of `engine/speculative.py`. A job ends
before its last pass when a sequence meets one of its stop ids.
"""

from typing import NamedTuple

import numpy as np

from flashstep.kernels.jit import inner_kernel
from flashstep.kernels.limits import MAX_PASSES, MAX_STOP_IDS, MAX_TOKENS, TAIL
from flashstep.kernels.peak import lowest_largest
from flashstep.kernels.pointers import advance
from flashstep.kernels.sampling import Float64, fill_weights, pick
from flashstep.kernels.spmd import barrier, own_range
from flashstep.kernels.step import Step
from flashstep.kernels.tables import Float32, Int32, Int64

TRUNK, DRAFT, NOTHING = 0, 1, 2  # what a job does next; the first two are values of Inputs.counts[0]
_SPAN = TAIL + MAX_TOKENS
# Words of Decoding.counts.
PASSES, VALID_TOKENS, STALE_ROWS, PASSES_MADE, HAS_ENDED, HAS_FAILED, NEXT = range(7)


class Decoding(NamedTuple):
    """What a job of several passes needs beside `Inputs`, and what it brings. S sequences, V vocabulary.

    counts: [passes wanted, 0 = a single one without choices; valid token ids; rows that modules may compute
    again; passes made; met a stop id; found a row without finite best logit; what comes next]. stop_ids
    [S, MAX_STOP_IDS], -1 behind the last. wishes [S, 4]: 1 / temperature (0 =
    greedy), top-k, top-p, min-p. uniforms [S, MAX_TOKENS]: a number for each token. history [S, stale rows,
    D]: hidden states of the last final rows, of which `history_rows` [S] are there. tokens [S, TAIL +
    MAX_TOKENS]: the known ones, then the chosen ones, `totals` [S] of them. emitted [passes, S]: tokens by
    pass. scratch [threads, 2, V padded like the logits].
    """

    counts: Int64
    stop_ids: Int32
    wishes: Float64
    uniforms: Float64
    history: Float32
    history_rows: Int32
    tokens: Int32
    totals: Int32
    emitted: Int32
    scratch: Float32


def new_decoding(
    max_sequences: int, num_stale_rows: int, d_model: int, logit_stride: int, num_threads: int
) -> Decoding:
    """Arrays for at most so many sequences. logit_stride: from row to row of the workspace's logits."""

    def ints(*shape: int) -> Int32:
        return np.zeros(shape, np.int32)

    return Decoding(
        counts=np.zeros(NEXT + 1, np.int64), stop_ids=ints(max_sequences, MAX_STOP_IDS),
        wishes=np.zeros((max_sequences, 4)), uniforms=np.zeros((max_sequences, MAX_TOKENS)),
        history=np.zeros((max_sequences, max(1, num_stale_rows), d_model), np.float32),
        history_rows=ints(max_sequences), tokens=ints(max_sequences, _SPAN), totals=ints(max_sequences),
        emitted=ints(MAX_PASSES, max_sequences), scratch=np.zeros((num_threads, 2, logit_stride), np.float32),
    )  # fmt: skip


@inner_kernel
def next_job(step: Step, decoding: Decoding, job: int) -> int:
    """What to do behind `job`, which ended with a barrier; `step.inputs` is ready for it."""
    counts = decoding.counts
    if counts[PASSES] == 0:
        return NOTHING
    if job == TRUNK:
        low, high = own_range(step.team, step.inputs.counts[2])
        for s in range(low, high):
            _choose(step, decoding, s)
        barrier(step.team)
    if step.team.thread == 0:
        counts[NEXT] = _after_trunk(step, decoding) if job == TRUNK else _after_drafts(step, decoding)
    barrier(step.team)
    return counts[NEXT]


@inner_kernel
def _choose(step: Step, decoding: Decoding, s: int) -> None:
    """Choose tokens of sequence `s`, row after row, as long as they are the drafts of the next rows."""
    inputs, counts = step.inputs, decoding.counts
    start, end = np.int64(inputs.query_starts[s]), np.int64(inputs.query_starts[s + 1])
    total, taken = np.int64(decoding.totals[s]), np.int64(0)
    for row in range(start, end):
        token = _choice(step, decoding, s, row, total + taken)
        if token < 0:
            counts[HAS_FAILED] = 1
            break
        decoding.tokens[s * _SPAN + TAIL + total + taken] = token
        taken += 1
        for i in range(s * MAX_STOP_IDS, (s + 1) * MAX_STOP_IDS):
            if decoding.stop_ids[i] == token:
                counts[HAS_ENDED] = 1
        if row + 1 < end and inputs.token_ids[row + 1] != token:
            break
    decoding.emitted[counts[PASSES_MADE] * inputs.counts[2] + s] = taken
    decoding.totals[s] = total + taken


@inner_kernel
def _choice(step: Step, decoding: Decoding, s: int, row: int, number: int) -> int:
    """The token that logits `row` gives as token `number` of the job; -1 without a finite best logit."""
    count, wish, stride = decoding.counts[VALID_TOKENS], s * 4, step.strides.logits
    logits, scale = advance(step.work.logits, row * stride), np.float32(decoding.wishes[wish])
    if scale == np.float32(0.0):
        return np.int64(lowest_largest(logits, count))
    weights = advance(decoding.scratch, step.team.thread * 2 * stride)
    best = fill_weights(
        logits, count, scale, np.int64(decoding.wishes[wish + 1]), decoding.wishes[wish + 2],
        np.float32(decoding.wishes[wish + 3]), weights, advance(weights, stride),
    )  # fmt: skip
    if not best < np.float32(np.inf):
        return -1
    return pick(weights, count, decoding.uniforms[s * MAX_TOKENS + number])


@inner_kernel
def _after_trunk(step: Step, decoding: Decoding) -> int:
    """Stop, or stage the rows that the modules compute, or, without drafts, the next pass."""
    inputs, counts = step.inputs, decoding.counts
    counts[PASSES_MADE] += 1
    is_over = counts[HAS_ENDED] != 0 or counts[HAS_FAILED] != 0
    if is_over or counts[PASSES_MADE] == counts[PASSES]:
        return NOTHING
    rows_each = np.int64(inputs.query_starts[1])
    if rows_each == 1:
        for s in range(inputs.counts[2]):
            inputs.token_ids[s] = decoding.tokens[_newest(decoding, s)]
            inputs.positions[s] += 1
        return TRUNK
    row = np.int64(0)
    for s in range(inputs.counts[2]):
        row = _stage_final_rows(step, decoding, s, rows_each, row)
    inputs.counts[1] = row
    return DRAFT


@inner_kernel
def _newest(decoding: Decoding, s: int) -> int:
    """Where the newest token of sequence `s` lies in `tokens`."""
    return s * _SPAN + TAIL - 1 + np.int64(decoding.totals[s])


@inner_kernel
def _stage_final_rows(step: Step, decoding: Decoding, s: int, rows_each: int, to: int) -> int:
    """Stage for the modules, from row `to` on, the rows of sequence `s` that became final and the stale ones
    before them. Returns the row behind them, which is at most that behind its trunk rows."""
    inputs, work, d = step.inputs, step.work, step.sizes.d_model
    most_stale = decoding.counts[STALE_ROWS]
    num_new = np.int64(decoding.emitted[(decoding.counts[PASSES_MADE] - 1) * inputs.counts[2] + s])
    known = np.int64(decoding.history_rows[s])
    num_stale = min(known, max(0, most_stale - (num_new - 1)))
    count = num_stale + num_new
    history = s * max(1, most_stale) * d
    for i in range(num_stale * d):
        work.residual[to * d + i] = decoding.history[history + (known - num_stale) * d + i]
    for i in range(num_new * d):
        work.residual[(to + num_stale) * d + i] = work.hidden[s * rows_each * d + i]
    kept = min(most_stale, count)
    for i in range(kept * d):
        decoding.history[history + i] = work.residual[(to + count - kept) * d + i]
    decoding.history_rows[s] = kept
    first, oldest = np.int64(inputs.positions[s * rows_each]) - num_stale, _newest(decoding, s) - count + 1
    for i in range(count):
        inputs.token_ids[to + i] = decoding.tokens[oldest + i]
        inputs.positions[to + i] = first + i
    for k in range(step.sizes.num_drafts):
        inputs.append_token_ids[s * step.sizes.num_drafts + k] = -1
    inputs.query_starts[s + 1] = to + count
    return to + count


@inner_kernel
def _after_drafts(step: Step, decoding: Decoding) -> int:
    """Stage the next pass: of each sequence the newest token and its drafts. Backwards, since a sequence
    takes at least as many rows as the modules computed of it."""
    inputs, num_drafts, num_sequences = step.inputs, step.sizes.num_drafts, step.inputs.counts[2]
    rows_each = num_drafts + 1
    for i in range(num_sequences):
        s = num_sequences - 1 - i
        position = np.int64(inputs.positions[inputs.query_starts[s + 1] - 1]) + 1
        first = s * rows_each
        inputs.token_ids[first] = decoding.tokens[_newest(decoding, s)]
        inputs.positions[first] = position
        for k in range(num_drafts):
            inputs.token_ids[first + 1 + k] = inputs.drafts[s * num_drafts + k]
            inputs.positions[first + 1 + k] = position + 1 + k
        inputs.query_starts[s + 1] = first + rows_each
    inputs.counts[1] = num_sequences * rows_each
    return TRUNK
