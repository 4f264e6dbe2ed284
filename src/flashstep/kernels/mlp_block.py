"""The MLP sub-block: norm, routing, shared and routed SwiGLU experts, weighted sum.

A dense layer is a layer with the shared part alone. Routed rows lie grouped by expert ("places"), shared
rows behind them; results are added in the order of choice, so they do not depend on the grouping.
"""

import numpy as np

from flashstep.kernels.activation import swiglu
from flashstep.kernels.amx import TILE
from flashstep.kernels.jit import inner_kernel
from flashstep.kernels.linear import ROW_GROUP, Operand, Output, fits_tiles, linear_panel, prepare_row
from flashstep.kernels.moe import choose_experts, group_by_expert
from flashstep.kernels.pointers import advance
from flashstep.kernels.spmd import barrier, own_range
from flashstep.kernels.step import Step, add_branch, norm_row, normed_operand
from flashstep.kernels.tables import PANEL, Int32, Layer, LayerScalars, Matrix, padded, read_matrix

# Rows that are multiplied in the time in which a panel is read from memory, about, and in that of a tile.
_READING_ROWS, _TILE_ROWS = 4, 2
_GATHERED_ROWS = 8  # of some expert: for fewer, copying and waiting for each other costs more than tiles give


@inner_kernel
def route_rows(step: Step, layer: Layer, scalars: LayerScalars, low: int, high: int) -> None:
    """Choose the experts of the normalised rows [low, high)."""
    work, router, floats, k = step.work, step.strides.router, step.weights.floats, layer.top_k
    matrix, x, rows = read_matrix(step.tables, layer.router), normed_operand(step), work.identity
    for first in range(low, high, ROW_GROUP):
        count, y = min(ROW_GROUP, high - first), Output(work.router, first * router, router)
        for panel in range(matrix.num_columns // PANEL):
            linear_panel(step.weights, matrix, np.int64(0), panel, x, rows, first, count, y)
    for row in range(low, high):
        choose_experts(work.router, row * router, layer.num_experts, floats, layer.router_bias, k,
                       scalars.routed_scale, work.expert_ids, work.expert_weights, row * k)  # fmt: skip


@inner_kernel
def _cost(matrix: Matrix, count: int) -> int:
    """What a panel costs beside `count` rows, about: reading it takes as long as multiplying some rows."""
    if count == 0:
        return 0
    rows = (count + TILE - 1) // TILE * _TILE_ROWS if fits_tiles(matrix, count) else count
    return matrix.depth * (rows + _READING_ROWS)


@inner_kernel
def mixed_linear(
    step: Step, shared: Matrix, shared_x: Operand, shared_y: Output, stack: Matrix, num_experts: int,
    starts: Int32, x: Operand, rows: Int32, y: Output,
) -> None:  # fmt: skip
    """This thread's part of the shared (or dense) matrix and of a stack of expert matrices: places
    [starts[e], starts[e + 1]) meet expert e.

    A thread's panels are neighbours, so that it reads memory in order; the shares cost alike.
    """
    num_rows, own_rows = step.num_rows, step.work.identity
    shared_panels, panels = shared.num_columns // PANEL, stack.num_columns // PANEL
    total = np.int64(0)
    for first in range(0, num_rows, ROW_GROUP):
        total += shared_panels * _cost(shared, min(ROW_GROUP, num_rows - first))
    for e in range(num_experts):
        total += panels * _cost(stack, np.int64(starts[e + 1] - starts[e]))
    low, high = own_range(step.team, total)
    at = np.int64(0)
    for panel in range(shared_panels):
        for first in range(0, num_rows, ROW_GROUP):
            count = min(ROW_GROUP, num_rows - first)
            if low <= at < high:
                part = Output(shared_y.values, shared_y.base + first * shared_y.stride, shared_y.stride)
                linear_panel(step.weights, shared, np.int64(0), panel, shared_x, own_rows, first, count, part)
            at += _cost(shared, count)
    for e in range(num_experts):
        first = np.int64(starts[e])
        count = starts[e + 1] - first
        cost = _cost(stack, count)
        part = Output(y.values, y.base + first * y.stride, y.stride)
        for panel in range(panels):
            if cost > 0 and low <= at < high:
                linear_panel(step.weights, stack, e, panel, x, rows, first, count, part)
            at += cost


@inner_kernel
def _pays_gathering(stack: Matrix, num_experts: int, starts: Int32) -> bool:
    """Whether some expert has enough rows for tiles of AMX, which take neighbours only."""
    most = np.int64(0)
    for e in range(num_experts):
        most = max(most, np.int64(starts[e + 1] - starts[e]))
    return most >= _GATHERED_ROWS and fits_tiles(stack, most)


@inner_kernel
def _gather_rows(step: Step, x: Operand, rows: Int32, count: int) -> Operand:
    """The first `count` rows numbered in `rows`, by place; this thread copies its share of them."""
    work, width = step.work, step.sizes.d_model
    low, high = own_range(step.team, count)
    for place in range(low, high):
        row = np.int64(rows[place])
        work.routed_scales[place] = x.scales[x.first_scale + row]
        start, to = x.base + row * x.stride, place * width
        for i in range(width):
            work.routed_chars[to + i] = x.chars[start + i]
    barrier(step.team)
    # int8 alone comes here, so nobody reads the floats.
    return Operand(work.routed, work.routed_chars, work.routed_scales, 0, width, 0)


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
        route_rows(step, layer, scalars, low, high)
    barrier(team)
    base = team.thread * step.strides.groups
    starts = advance(work.groups, base)
    rows = advance(starts, step.strides.expert_starts)
    places = advance(rows, step.strides.routed_rows)
    routed = count * layer.top_k
    gated_stride, shared_stride = 2 * padded(layer.expert_dim), 2 * padded(layer.inner_dim)
    x = normed_operand(step)
    shared = routed * gated_stride
    inner = Operand(work.inner, work.inner_chars, work.inner_scales, 0, layer.expert_dim, 0)
    shared_inner = Operand(
        work.inner, work.inner_chars, work.inner_scales, routed * layer.expert_dim, layer.inner_dim, routed
    )
    expert_gate_up = read_matrix(step.tables, layer.expert_gate_up) if layer.num_experts > 0 else gate_up
    routed_x, routed_rows = x, rows
    if layer.num_experts > 0:
        group_by_expert(work.expert_ids, count, layer.top_k, layer.num_experts, starts, rows, places)
        if _pays_gathering(expert_gate_up, layer.num_experts, starts):
            routed_x, routed_rows = _gather_rows(step, x, rows, routed), work.identity
    mixed_linear(
        step, gate_up, x, Output(work.gated, shared, shared_stride), expert_gate_up, layer.num_experts,
        starts, routed_x, routed_rows, Output(work.gated, 0, gated_stride),
    )  # fmt: skip
    barrier(team)
    activate_rows(
        step, shared, shared_stride, shared_inner, layer.inner_dim, count, scalars.shared_limit, down
    )
    expert_down = read_matrix(step.tables, layer.expert_down) if layer.num_experts > 0 else down
    if layer.num_experts > 0:
        activate_rows(
            step, np.int64(0), gated_stride, inner, layer.expert_dim, routed, scalars.limit, expert_down
        )
    barrier(team)
    stride = step.strides.branch
    mixed_linear(
        step, down, shared_inner, Output(work.branch, 0, stride), expert_down, layer.num_experts,
        starts, inner, work.identity, Output(work.routed, 0, stride),
    )  # fmt: skip
    barrier(team)
    for t in range(low, high):
        combine_row(step, layer, places, t)
