"""The transformer: embedding, decoder layers, output head, over one flat ragged batch.

All threads run the same code on their shares (see step.py). T rows, D width.
"""

import numpy as np

from flashstep.kernels.attention_block import attention_block
from flashstep.kernels.jit import inner_kernel, stage_kernel
from flashstep.kernels.linear import Output, linear, prepare_row
from flashstep.kernels.mlp_block import mlp_block
from flashstep.kernels.norm import rms_norm
from flashstep.kernels.rope import angles
from flashstep.kernels.spmd import barrier, own_range
from flashstep.kernels.step import Step, normed_operand
from flashstep.kernels.tables import Int32, Matrix, read_layer, read_matrix, read_scalars


@inner_kernel
def embed_row(step: Step, row: int) -> None:
    """Copy the token's embedding to the residual row."""
    d, floats = step.sizes.d_model, step.weights.floats
    start, to = step.sizes.embedding + np.int64(step.inputs.token_ids[row]) * d, row * d
    for i in range(d):
        step.work.residual[to + i] = floats[start + i]


@inner_kernel
def compute_angles(step: Step) -> None:
    """Cosines and sines of this thread's rows, for all layers."""
    low, high = own_range(step.team, step.num_rows)
    floats, ropes, turns, strides = step.weights.floats, step.tables.ropes, step.work.turns, step.strides
    for t in range(low, high):
        position, to = step.inputs.positions[t], t * strides.turns
        angles(position, floats, ropes, step.sizes.num_ropes, turns, to, strides.rope)


@inner_kernel
def keep_rows(step: Step, rows: Int32, count: int) -> Step:
    """A step over `rows[:count]` alone, ascending ones, whose residual and branch come to the front."""
    work, d, stride = step.work, step.sizes.d_model, step.strides.branch
    if step.team.thread == 0:
        for i in range(count):
            row = np.int64(rows[i])  # at least i, so nothing is overwritten that is still to move
            for k in range(d):
                work.residual[i * d + k] = work.residual[row * d + k]
                work.branch[i * stride + k] = work.branch[row * stride + k]
    barrier(step.team)
    return Step(
        step.team, step.weights, step.tables, step.caches, work, step.inputs, step.sizes, step.strides,
        step.eps, count,
    )  # fmt: skip


@inner_kernel
def decoder_layer(step: Step, number: int, rows: Int32, num_kept: int) -> None:
    """One layer over all rows. Needs and leaves this thread's residual rows up to date.

    num_kept: the number of rows; or, when nothing behind this layer reads the others, whose keys and values
    are then all that is left of them: how many of `rows` go on. They become the first residual rows.
    """
    layer, scalars = read_layer(step.tables, number), read_scalars(step.tables, number)
    attention_block(step, layer)
    rest = keep_rows(step, rows, num_kept) if num_kept < step.num_rows else step
    mlp_block(rest, layer, scalars)


@inner_kernel
def output_head(step: Step, rows: Int32, count: int, norm: int, head: Matrix) -> None:
    """Logits of the residual rows `rows[:count]`, in that order; begins and ends with a barrier."""
    team, d, work = step.team, step.sizes.d_model, step.work
    barrier(team)
    low, high = own_range(team, count)
    x = normed_operand(step)
    for i in range(low, high):
        at = np.int64(rows[i]) * d
        rms_norm(work.residual, at, d, step.weights.floats, norm, step.eps, work.normed, i * x.stride)
        prepare_row(x, i, d, head)
    barrier(team)
    y = Output(work.logits, 0, step.strides.logits)
    linear(team, step.weights, head, x, work.identity, count, y)
    barrier(team)


@stage_kernel
def trunk(step: Step) -> None:
    """Embedding, all layers, final norm, head of the wanted rows; `work.hidden` keeps the pre-norm rows, if
    they are wanted."""
    low, high = own_range(step.team, step.num_rows)
    for t in range(low, high):
        embed_row(step, t)
    compute_angles(step)
    num_wanted, wants_hidden = step.inputs.counts[3], step.inputs.counts[6] != 0
    rows = step.inputs.logit_rows
    for number in range(step.sizes.num_layers):
        is_narrowed = number == step.sizes.num_layers - 1 and not wants_hidden
        decoder_layer(step, number, rows, num_wanted if is_narrowed else step.num_rows)
    d = step.sizes.d_model
    if wants_hidden:
        for i in range(low * d, high * d):
            step.work.hidden[i] = step.work.residual[i]
    head = read_matrix(step.tables, step.sizes.head)
    wanted = rows if wants_hidden else step.work.identity
    output_head(step, wanted, num_wanted, step.sizes.final_norm, head)
