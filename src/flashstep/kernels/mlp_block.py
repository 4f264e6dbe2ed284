"""The MLP sub-block: norm, routing, shared and routed SwiGLU experts, weighted sum.

A dense layer is a layer with the shared part alone. Routed rows lie grouped by expert ("places"), shared
rows behind them; results are added in the order of choice, so they do not depend on the grouping.
"""

import numpy as np

from flashstep.kernels.activation import swiglu
from flashstep.kernels.jit import inner_kernel
from flashstep.kernels.linear import ROW_GROUP, Operand, Output, linear_panel, prepare_row
from flashstep.kernels.moe import choose_experts, group_by_expert
from flashstep.kernels.pointers import advance
from flashstep.kernels.spmd import barrier, own_range
from flashstep.kernels.step import Step, add_branch, norm_row, normed_operand
from flashstep.kernels.tables import PANEL, Int32, Layer, LayerScalars, Matrix, padded, read_matrix


@inner_kernel
def route_row(step: Step, layer: Layer, scalars: LayerScalars, row: int) -> None:
    """Choose the experts of one normalised row."""
    work, router, floats = step.work, step.strides.router, step.weights.floats
    ids, weights, k = work.expert_ids, work.expert_weights, layer.top_k
    y = Output(work.router, row * router, router)
    matrix = read_matrix(step.tables, layer.router)
    for panel in range(matrix.num_columns // PANEL):
        linear_panel(
            step.weights, matrix, np.int64(0), panel, normed_operand(step), work.identity, row, np.int64(1), y
        )
    choose_experts(work.router, row * router, layer.num_experts, floats, layer.router_bias, k,
                   scalars.routed_scale, ids, weights, row * k)  # fmt: skip


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
