"""The attention sub-block: norm, projections, QK norm, rotary, K/V writes, attention, output projection."""

import numpy as np

from flashstep.kernels.attention import attention
from flashstep.kernels.attention_scratch import Scratch
from flashstep.kernels.jit import inner_kernel
from flashstep.kernels.linear import Operand, Output, linear, prepare_row
from flashstep.kernels.norm import rms_norm_in_place
from flashstep.kernels.padding import key_depth, value_stride
from flashstep.kernels.pointers import advance
from flashstep.kernels.pool import Pool, write_kv
from flashstep.kernels.rope import rotate
from flashstep.kernels.spmd import barrier, own_range
from flashstep.kernels.step import Step, norm_row, normed_operand
from flashstep.kernels.tables import Layer, read_matrix

_key_depth, _value_stride = inner_kernel(key_depth), inner_kernel(value_stride)


@inner_kernel
def layer_pool(step: Step, layer: Layer) -> Pool:
    """The layer's part of the full or the sliding pool."""
    sizes, caches, inputs = step.sizes, step.caches, step.inputs
    depth, width = _key_depth(layer.head_dim), _value_stride(layer.head_dim)
    if layer.window_tokens == 0:
        first = layer.cache_index * sizes.num_full_blocks
        return Pool(caches.full_k, caches.full_v, inputs.full_table, sizes.table_stride, first,
                    layer.num_kv_heads, layer.head_dim, sizes.block_size, depth, width)  # fmt: skip
    first = layer.cache_index * sizes.num_sliding_blocks
    return Pool(caches.sliding_k, caches.sliding_v, inputs.sliding_table, sizes.table_stride, first,
                layer.num_kv_heads, layer.head_dim, sizes.block_size, depth, width)  # fmt: skip


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
    position, is_last = np.int64(step.inputs.positions[row]), row + 1 == step.inputs.query_starts[s + 1]
    for head in range(layer.num_kv_heads):
        k_at = start + (num_q + head) * h
        write_kv(pool, s, position, head, qkv, k_at, k_at + layer.num_kv_heads * h, is_last)


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
    value_rows = advance(work.value_rows, team.thread * strides.score)
    scratch = Scratch(work.scratch, value_rows, team.thread * strides.scratch, 0, 0, strides.score)
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
