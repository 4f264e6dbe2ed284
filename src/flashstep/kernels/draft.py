"""The MTP chain: every module over all rows, its best token at each sequence's last row, one compiled call.

Module k reads the previous module's pre-norm hidden state of the same row and the token stream shifted
left by k; each module is one more sliding layer at the same positions and has its own output head.
"""

import numpy as np

from flashstep.kernels.forward import compute_angles, decoder_layer, output_head
from flashstep.kernels.jit import inner_kernel, stage_kernel
from flashstep.kernels.linear import Output, linear, prepare_row
from flashstep.kernels.norm import rms_norm
from flashstep.kernels.peak import lowest_largest
from flashstep.kernels.pointers import advance
from flashstep.kernels.spmd import barrier, own_range
from flashstep.kernels.step import Step, normed_operand
from flashstep.kernels.tables import Draft, Matrix, read_draft, read_matrix


@inner_kernel
def join_row(step: Step, draft: Draft, joint: Matrix, row: int) -> None:
    """[norm(embedding of the row's token), norm(hidden)] of one row, ready for the joint projection."""
    d, floats, to = step.sizes.d_model, step.weights.floats, row * 2 * step.sizes.d_model
    start = step.sizes.embedding + np.int64(step.inputs.token_ids[row]) * d
    rms_norm(floats, start, d, floats, draft.embedding_norm, step.eps, step.work.normed, to)
    rms_norm(step.work.residual, row * d, d, floats, draft.hidden_norm, step.eps, step.work.normed, to + d)
    prepare_row(normed_operand(step), row, 2 * d, joint)


@inner_kernel
def shift_tokens(step: Step, s: int, depth: int) -> None:
    """Move the sequence's tokens one row up; the last row gets the given token, or the draft for -1."""
    inputs = step.inputs
    token_ids, last = inputs.token_ids, inputs.query_starts[s + 1] - 1
    for t in range(inputs.query_starts[s], last):
        token_ids[t] = token_ids[t + 1]
    given = inputs.append_token_ids[s * step.sizes.num_drafts + depth]
    token_ids[last] = given if given >= 0 else inputs.drafts[s * step.sizes.num_drafts + depth]


@stage_kernel
def mtp_module(step: Step, depth: int) -> None:
    """Module `depth` (from 0): residual rows become its hidden states, `drafts[:, depth]` its best tokens."""
    team, work, d = step.team, step.work, step.sizes.d_model
    draft = read_draft(step.tables, depth)
    joint = read_matrix(step.tables, draft.joint)
    low, high = own_range(team, step.num_rows)
    for t in range(low, high):
        join_row(step, draft, joint, t)
    barrier(team)
    y = Output(work.branch, 0, step.strides.branch)
    linear(team, step.weights, joint, normed_operand(step), work.identity, step.num_rows, y)
    barrier(team)
    for t in range(low, high):
        for i in range(d):
            work.residual[t * d + i] = work.branch[t * step.strides.branch + i]
    num_sequences = step.inputs.counts[2]
    is_last = depth == step.sizes.num_drafts - 1
    kept = num_sequences if is_last else step.num_rows
    decoder_layer(step, step.sizes.num_layers + depth, work.last_rows, kept)
    rows = work.identity if is_last else work.last_rows
    output_head(step, rows, num_sequences, draft.norm, read_matrix(step.tables, draft.head))
    first, end = own_range(team, num_sequences)
    for s in range(first, end):
        best = lowest_largest(advance(work.logits, s * step.strides.logits), step.sizes.vocab_size)
        step.inputs.drafts[s * step.sizes.num_drafts + depth] = max(0, best)  # any guess where none is best
        shift_tokens(step, s, depth)
    barrier(team)


@stage_kernel
def draft_chain(step: Step) -> None:
    """All modules in turn; the caller has put the trunk's hidden states into `work.residual`."""
    if step.team.thread == 0:
        for s in range(step.inputs.counts[2]):
            step.work.last_rows[s] = step.inputs.query_starts[s + 1] - 1
    compute_angles(step)
    barrier(step.team)
    for depth in range(step.sizes.num_drafts):
        mtp_module(step, depth)
