"""The transformer: trunk and MTP chain over one flat ragged batch, each in one compiled call.

All threads run the same code. Work on single rows (norms, rotary, routing, sums) is split by rows,
matrices by output panels, attention by rows and KV heads; a barrier stands wherever the split changes.
Row-wise parts that follow each other need none, since every thread keeps its rows. Shape letters: T
rows, S sequences, D width, N query heads, G KV heads, H head width, E experts, K experts per row.
"""

from typing import NamedTuple

import numpy as np

from flashstep.kernels.activation import swiglu
from flashstep.kernels.attention import Pool, Scratch, attention, write_kv
from flashstep.kernels.jit import inner_kernel, stage_kernel
from flashstep.kernels.linear import ROW_GROUP, Operand, Output, linear, linear_panel, prepare_row
from flashstep.kernels.moe import choose_experts, group_by_expert
from flashstep.kernels.norm import rms_norm, rms_norm_in_place
from flashstep.kernels.pointers import advance
from flashstep.kernels.rope import angles, rotate
from flashstep.kernels.spmd import Team, barrier, own_range
from flashstep.kernels.tables import (
    PANEL,
    Caches,
    Inputs,
    Int32,
    Layer,
    LayerScalars,
    Matrix,
    Sizes,
    Tables,
    Weights,
    padded,
    read_layer,
    read_matrix,
    read_scalars,
    read_sizes,
)
from flashstep.kernels.workspace import Strides, Workspace, read_strides


class Step(NamedTuple):
    """Everything one thread needs for one step; `num_rows` rows of `num_sequences` sequences."""

    team: Team
    weights: Weights
    tables: Tables
    caches: Caches
    work: Workspace
    inputs: Inputs
    sizes: Sizes
    strides: Strides
    eps: np.float32
    num_rows: int


@stage_kernel
def new_step(
    team: Team, weights: Weights, tables: Tables, caches: Caches, work: Workspace, inputs: Inputs
) -> Step:
    """Read the tables into a `Step`."""
    sizes, strides = read_sizes(tables), read_strides(work)
    return Step(team, weights, tables, caches, work, inputs, sizes, strides, tables.eps[0], inputs.counts[1])


@inner_kernel
def normed_operand(step: Step) -> Operand:
    """The rows of `work.normed` as input of matrices."""
    work = step.work
    return Operand(work.normed, work.normed_chars, work.normed_scales, 0, 2 * step.sizes.d_model, 0)


@inner_kernel
def norm_row(step: Step, row: int, weight: int, matrix: Matrix) -> None:
    """Normalise one residual row into `work.normed`, ready for `matrix`."""
    d = step.sizes.d_model
    rms_norm(
        step.work.residual, row * d, d, step.weights.floats, weight, step.eps, step.work.normed, row * 2 * d
    )
    prepare_row(normed_operand(step), row, d, matrix)


@inner_kernel
def add_branch(step: Step, row: int) -> None:
    """Add a sub-block's result to the residual row."""
    d, work = step.sizes.d_model, step.work
    to, start = row * d, row * step.strides.branch
    for i in range(d):
        work.residual[to + i] += work.branch[start + i]


@inner_kernel
def layer_pool(step: Step, layer: Layer) -> Pool:
    """The layer's part of the full or the sliding pool."""
    sizes, caches, inputs = step.sizes, step.caches, step.inputs
    width = (layer.head_dim + 31) // 32 * 32
    if layer.window_tokens == 0:
        return Pool(caches.full_k, caches.full_v, inputs.full_table, sizes.table_stride, layer.cache_index * sizes.num_full_blocks,
                    layer.num_kv_heads, layer.head_dim, sizes.block_size, width)  # fmt: skip
    return Pool(caches.sliding_k, caches.sliding_v, inputs.sliding_table, sizes.table_stride,
                layer.cache_index * sizes.num_sliding_blocks, layer.num_kv_heads, layer.head_dim,
                sizes.block_size, width)  # fmt: skip


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
    for t in range(low, high):
        angles(step.inputs.positions[t], step.weights.floats, step.tables.ropes, step.sizes.num_ropes, step.work.turns,
               t * step.strides.turns, step.strides.rope)  # fmt: skip


@inner_kernel
def place_row(step: Step, layer: Layer, pool: Pool, row: int, s: int) -> None:
    """QK norm and rotary of one row, in place; its K and V go to the cache."""
    qkv, floats, h = step.work.qkv, step.weights.floats, layer.head_dim
    turn, half = (
        row * step.strides.turns + layer.rope * step.strides.rope,
        step.tables.ropes[2 * layer.rope + 1],
    )
    start, num_q = row * step.strides.qkv, layer.num_q_heads
    for head in range(num_q + layer.num_kv_heads):
        at = start + head * h
        rms_norm_in_place(qkv, at, h, floats, layer.q_norm if head < num_q else layer.k_norm, step.eps)
        rotate(qkv, at, half, step.work.turns, turn)
    for head in range(layer.num_kv_heads):
        k_at = start + (num_q + head) * h
        position = np.int64(step.inputs.positions[row])
        write_kv(pool, s, position, head, qkv, k_at, k_at + layer.num_kv_heads * h)


@inner_kernel
def place_rows(step: Step, layer: Layer, pool: Pool) -> None:
    """`place_row` for this thread's rows."""
    low, high = own_range(step.team, step.num_rows)
    s = 0
    for t in range(low, high):
        while step.inputs.query_starts[s + 1] <= t:
            s += 1
        place_row(step, layer, pool, t, s)


@inner_kernel
def attention_block(step: Step, layer: Layer) -> None:
    """branch = attention(norm(residual)); ends behind a barrier."""
    team, work, strides = step.team, step.work, step.strides
    qkv, output = read_matrix(step.tables, layer.qkv), read_matrix(step.tables, layer.output)
    head_gate = read_matrix(step.tables, layer.head_gate)
    low, high = own_range(team, step.num_rows)
    for t in range(low, high):
        norm_row(step, t, layer.attention_norm, qkv)
    barrier(team)
    x = normed_operand(step)
    linear(team, step.weights, qkv, x, work.identity, step.num_rows, Output(work.qkv, 0, strides.qkv))
    linear(
        team, step.weights, head_gate, x, work.identity, step.num_rows, Output(work.gates, 0, strides.gates)
    )
    barrier(team)
    pool = layer_pool(step, layer)
    place_rows(step, layer, pool)
    barrier(team)
    scratch = Scratch(work.scratch, team.thread * strides.scratch, 0, strides.score)
    attention(
        team,
        step.inputs,
        layer,
        pool,
        scratch,
        work.qkv,
        strides.qkv,
        work.gates,
        strides.gates,
        work.context,
    )
    barrier(team)
    width = layer.num_q_heads * layer.head_dim
    context = Operand(work.context, work.context_chars, work.context_scales, 0, width, 0)
    for t in range(low, high):
        prepare_row(context, t, width, output)
    barrier(team)
    linear(
        team,
        step.weights,
        output,
        context,
        work.identity,
        step.num_rows,
        Output(work.branch, 0, strides.branch),
    )
    barrier(team)


@inner_kernel
def route_row(step: Step, layer: Layer, scalars: LayerScalars, row: int) -> None:
    """Choose the experts of one normalised row."""
    work, router = step.work, step.strides.router
    y = Output(work.router, row * router, router)
    matrix = read_matrix(step.tables, layer.router)
    for panel in range(matrix.num_columns // PANEL):
        linear_panel(
            step.weights, matrix, np.int64(0), panel, normed_operand(step), work.identity, row, np.int64(1), y
        )
    choose_experts(work.router, row * router, layer.num_experts, step.weights.floats, layer.router_bias,
                   layer.top_k, scalars.routed_scale, work.expert_ids, work.expert_weights, row * layer.top_k)  # fmt: skip


@inner_kernel
def shared_linear(step: Step, first_unit: int, matrix: Matrix, x: Operand, y: Output) -> int:
    """This thread's units of the shared (or dense) matrix; returns the number of units so far."""
    unit, team = first_unit, step.team
    for panel in range(matrix.num_columns // PANEL):
        for first in range(0, step.num_rows, ROW_GROUP):
            if unit % team.num_threads == team.thread:
                part = Output(y.values, y.base + first * y.stride, y.stride)
                count = min(ROW_GROUP, step.num_rows - first)
                linear_panel(
                    step.weights, matrix, np.int64(0), panel, x, step.work.identity, first, count, part
                )
            unit += 1
    return unit


@inner_kernel
def expert_linear(
    step: Step,
    first_unit: int,
    matrix: Matrix,
    num_experts: int,
    starts: Int32,
    x: Operand,
    rows: Int32,
    y: Output,
) -> None:
    """This thread's units of a stack of expert matrices: places [starts[e], starts[e + 1]) meet expert e."""
    unit, team = first_unit, step.team
    for e in range(num_experts):
        first = np.int64(starts[e])
        count = starts[e + 1] - first
        if count == 0:
            continue
        part = Output(y.values, y.base + first * y.stride, y.stride)
        for panel in range(matrix.num_columns // PANEL):
            if unit % team.num_threads == team.thread:
                linear_panel(step.weights, matrix, e, panel, x, rows, first, count, part)
            unit += 1


@inner_kernel
def activate_rows(
    step: Step,
    gated: int,
    gated_stride: int,
    inner: Operand,
    width: int,
    count: int,
    limit: np.float32,
    matrix: Matrix,
) -> None:
    """SwiGLU of this thread's share of `count` rows of `work.gated` from `gated`, ready for `matrix`."""
    low, high = own_range(step.team, count)
    for r in range(low, high):
        start = gated + r * gated_stride
        to = inner.base + r * inner.stride
        swiglu(step.work.gated, start, start + gated_stride // 2, width, limit, inner.values, to)
        prepare_row(inner, r, width, matrix)


@inner_kernel
def combine_row(step: Step, layer: Layer, places: Int32, row: int) -> None:
    """Add the shared result and the weighted routed results to the residual row, in order of choice."""
    add_branch(step, row)
    d, work, stride = step.sizes.d_model, step.work, step.strides.branch
    for k in range(layer.top_k):
        r = row * layer.top_k + k
        start, weight, to = np.int64(places[r]) * stride, work.expert_weights[r], row * d
        for i in range(d):
            work.residual[to + i] += weight * work.routed[start + i]


@inner_kernel
def mlp_block(step: Step, layer: Layer, scalars: LayerScalars) -> None:
    """residual += branch; residual += mlp(norm(residual)). Dense layers have the shared part alone."""
    team, work, count = step.team, step.work, step.num_rows
    gate_up, down = read_matrix(step.tables, layer.gate_up), read_matrix(step.tables, layer.down)
    low, high = own_range(team, count)
    for t in range(low, high):
        add_branch(step, t)
        norm_row(step, t, layer.mlp_norm, gate_up)
        if layer.num_experts > 0:
            route_row(step, layer, scalars, t)
    barrier(team)
    base = team.thread * step.strides.groups
    starts = advance(work.groups, base)
    rows = advance(starts, step.strides.expert_starts)
    places = advance(rows, step.strides.routed_rows)
    routed = count * layer.top_k
    gated_stride, shared_stride = 2 * padded(layer.expert_dim), 2 * padded(layer.inner_dim)
    x = normed_operand(step)
    shared = routed * gated_stride
    units = shared_linear(step, 0, gate_up, x, Output(work.gated, shared, shared_stride))
    inner = Operand(work.inner, work.inner_chars, work.inner_scales, 0, layer.expert_dim, 0)
    shared_inner = Operand(
        work.inner, work.inner_chars, work.inner_scales, routed * layer.expert_dim, layer.inner_dim, routed
    )
    if layer.num_experts > 0:
        group_by_expert(work.expert_ids, count, layer.top_k, layer.num_experts, starts, rows, places)
        matrix = read_matrix(step.tables, layer.expert_gate_up)
        expert_linear(
            step, units, matrix, layer.num_experts, starts, x, rows, Output(work.gated, 0, gated_stride)
        )
    barrier(team)
    activate_rows(
        step, shared, shared_stride, shared_inner, layer.inner_dim, count, scalars.shared_limit, down
    )
    if layer.num_experts > 0:
        expert_down = read_matrix(step.tables, layer.expert_down)
        activate_rows(
            step, np.int64(0), gated_stride, inner, layer.expert_dim, routed, scalars.limit, expert_down
        )
    barrier(team)
    y = Output(work.branch, 0, step.strides.branch)
    units = shared_linear(step, 0, down, shared_inner, y)
    if layer.num_experts > 0:
        expert_down = read_matrix(step.tables, layer.expert_down)
        y = Output(work.routed, 0, step.strides.branch)
        expert_linear(step, units, expert_down, layer.num_experts, starts, inner, work.identity, y)
    barrier(team)
    for t in range(low, high):
        combine_row(step, layer, places, t)


@inner_kernel
def decoder_layer(step: Step, number: int) -> None:
    """One layer over all rows. Needs and leaves this thread's residual rows up to date."""
    layer, scalars = read_layer(step.tables, number), read_scalars(step.tables, number)
    attention_block(step, layer)
    mlp_block(step, layer, scalars)


@inner_kernel
def output_head(step: Step, rows: Int32, count: int, norm: int, head: Matrix) -> None:
    """Logits of the residual rows `rows[:count]`, in that order; begins and ends with a barrier."""
    team, d, work = step.team, step.sizes.d_model, step.work
    barrier(team)
    low, high = own_range(team, count)
    x = normed_operand(step)
    for i in range(low, high):
        rms_norm(
            work.residual,
            np.int64(rows[i]) * d,
            d,
            step.weights.floats,
            norm,
            step.eps,
            work.normed,
            i * x.stride,
        )
        prepare_row(x, i, d, head)
    barrier(team)
    y = Output(work.logits, 0, step.strides.logits)
    linear(team, step.weights, head, x, work.identity, count, y)
    barrier(team)


@stage_kernel
def trunk(step: Step) -> None:
    """Embedding, all layers, final norm and head of the wanted rows; `work.hidden` keeps the pre-norm rows."""
    low, high = own_range(step.team, step.num_rows)
    for t in range(low, high):
        embed_row(step, t)
    compute_angles(step)
    for number in range(step.sizes.num_layers):
        decoder_layer(step, number)
    d = step.sizes.d_model
    for i in range(low * d, high * d):
        step.work.hidden[i] = step.work.residual[i]
    head = read_matrix(step.tables, step.sizes.head)
    output_head(step, step.inputs.logit_rows, step.inputs.counts[3], step.sizes.final_norm, head)
