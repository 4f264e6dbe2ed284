"""Causal attention over paged K/V, full or windowed, grouped query heads, online softmax, head gate.

A unit of work is a few neighbouring rows of one sequence and one KV head: its query heads share every
K and V that is read. Keys are visited in spans aligned to absolute positions, and a row ignores spans
outside its own range exactly, so the result of a row does not depend on how its sequence was cut into
chunks. The row at position p sees (p - window, p]; no block outside is read.
"""

from typing import NamedTuple

import numpy as np

from flashstep.kernels.activation import exp32, sigmoid
from flashstep.kernels.cpu import FLOAT_LANES
from flashstep.kernels.jit import inner_kernel
from flashstep.kernels.peak import largest
from flashstep.kernels.pointers import line_elements, prefetch, put
from flashstep.kernels.spmd import Team
from flashstep.kernels.tables import Cached, Float32, Inputs, Int32, Layer
from flashstep.kernels.tiles import float_tile

ROWS = 4  # rows of a unit
SPAN_TOKENS = 128  # keys between two updates of the running softmax
_AHEAD = 4  # blocks between the one whose keys are read and the one whose keys are asked for
SLACK = 16  # floats that a K tile may read past a block, and a score tile write past its row

# A K tile is 16 keys wide and a V tile 32 columns, fewer beside four rows: so even one row has sums enough to
# hide the latency of its multiply-adds. Eight rows of K would not fit 16 registers.
_KEYS, _COLUMNS, _COLUMNS_4 = 16, 32, max(16, 2 * FLOAT_LANES)
_HAS_32_REGISTERS = FLOAT_LANES == 16
_score_1, _score_2, _score_4, _score_8 = (
    float_tile(rows, _KEYS // FLOAT_LANES, accumulate=False) for rows in (1, 2, 4, 8)
)
_value_1, _value_2 = (float_tile(rows, _COLUMNS // FLOAT_LANES, accumulate=True) for rows in (1, 2))
_value_4 = float_tile(4, _COLUMNS_4 // FLOAT_LANES, accumulate=True)


class Pool(NamedTuple):
    """One layer's view of its K/V pool, float32 or bfloat16 held as int16. `first_block` is the number of the
    layer's first block; `value_stride` is the padded head width of V."""

    k: Cached
    v: Cached
    table: Int32
    table_stride: int
    first_block: int
    num_kv_heads: int
    head_dim: int
    block_size: int
    value_stride: int


class Scratch(NamedTuple):
    """A thread's private floats: queries, results, scores of a unit, running maxima and sums.

    Five areas from `base`: query heads [n, value_stride], results likewise, scores [n, score_stride],
    maxima [n], sums [n], for n = ROWS * query heads per KV head.
    """

    values: Float32
    base: int
    num_queries: int
    score_stride: int


def value_stride(head_dim: int) -> int:
    """Floats of one V row: the head width padded to whole tiles."""
    return -(-head_dim // 32) * 32


def scratch_floats(num_queries: int, head_dim: int, block_size: int) -> int:
    """Size of one thread's scratch for units of `num_queries` query heads."""
    return num_queries * (2 * value_stride(head_dim) + score_stride(block_size) + 2) + SLACK


def score_stride(block_size: int) -> int:
    """Floats of one row of scores: a whole span of blocks and the slack of the last tile."""
    return max(1, SPAN_TOKENS // block_size) * block_size + SLACK


@inner_kernel
def cell_number(pool: Pool, s: int, block: int, head: int) -> int:
    """Number of the (block, KV head) cell that holds block `block` of sequence `s`."""
    return (pool.first_block + np.int64(pool.table[s * pool.table_stride + block])) * pool.num_kv_heads + head


@inner_kernel
def write_kv(pool: Pool, s: int, position: int, head: int, keys: Float32, k_at: int, v_at: int) -> None:
    """Store one token's K (at `keys[k_at:]`) and V (at `keys[v_at:]`) of KV head `head`."""
    block, offset = position // pool.block_size, position % pool.block_size
    cell = cell_number(pool, s, block, head)
    k_to = cell * pool.head_dim * pool.block_size + offset
    v_to = (cell * pool.block_size + offset) * pool.value_stride
    for i in range(pool.head_dim):
        put(pool.k, k_to + i * pool.block_size, keys[k_at + i])
        put(pool.v, v_to + i, keys[v_at + i])


@inner_kernel
def _score_block(pool: Pool, scratch: Scratch, cell: int, scores: int) -> None:
    """scores[n, 0:P] = queries[n] . K of one block; `scores` is where row 0's part starts."""
    x, y, size = scratch.values, scratch.values, pool.block_size
    for c in range(0, size, _KEYS):
        w_at, y_at = cell * pool.head_dim * size + c, scores + c
        q, n = scratch.base, 0
        width = pool.value_stride
        while n < scratch.num_queries:
            left, out = scratch.num_queries - n, y_at + n * scratch.score_stride
            a = q + n * width
            if _HAS_32_REGISTERS and left >= 8:
                rows_8 = (a, a + width, a + 2 * width, a + 3 * width, a + 4 * width, a + 5 * width,
                          a + 6 * width, a + 7 * width)  # fmt: skip
                _score_8(x, rows_8, pool.k, w_at, size, pool.head_dim, y, out, scratch.score_stride)
                n += 8
            elif left >= 4:
                rows = (a, a + width, a + 2 * width, a + 3 * width)
                _score_4(x, rows, pool.k, w_at, size, pool.head_dim, y, out, scratch.score_stride)
                n += 4
            elif left >= 2:
                _score_2(x, (a, a + width), pool.k, w_at, size, pool.head_dim, y, out, scratch.score_stride)
                n += 2
            else:
                _score_1(x, (a,), pool.k, w_at, size, pool.head_dim, y, out, scratch.score_stride)
                n += 1


@inner_kernel
def _add_values(pool: Pool, scratch: Scratch, v_at: int, probabilities: int, count: int) -> None:
    """results[n] += probabilities[n, 0:count] . V rows from `v_at`."""
    x, y, width, stride = scratch.values, scratch.values, pool.value_stride, scratch.score_stride
    results = scratch.base + scratch.num_queries * width
    n = 0
    while n < scratch.num_queries:
        left, a, out = scratch.num_queries - n, probabilities + n * stride, results + n * width
        if left >= 4:
            rows = (a, a + stride, a + 2 * stride, a + 3 * stride)
            for c in range(0, width, _COLUMNS_4):
                _value_4(x, rows, pool.v, v_at + c, width, count, y, out + c, width)
            n += 4
        elif left >= 2:
            for c in range(0, width, _COLUMNS):
                _value_2(x, (a, a + stride), pool.v, v_at + c, width, count, y, out + c, width)
            n += 2
        else:
            for c in range(0, width, _COLUMNS):
                _value_1(x, (a,), pool.v, v_at + c, width, count, y, out + c, width)
            n += 1


@inner_kernel
def _soften(values: Float32, at: int, begin: int, low: int, high: int, end: int, state: int, result: int,
            width: int, num_queries: int) -> None:  # fmt: skip
    """Turn scores [low, high) of one query into weights against its running maximum; zero the rest of
    [begin, end). `state` is where its maximum lies, its sum `num_queries` further; `result` is rescaled."""
    for i in range(begin, low):
        values[at + i] = np.float32(0.0)
    for i in range(high, end):
        values[at + i] = np.float32(0.0)
    before = values[state]
    peak = largest(values, at + low, at + high, before)
    total = np.float32(0.0)
    for i in range(low, high):
        weight = exp32(values[at + i] - peak)
        values[at + i] = weight
        total += weight
    if peak > before:
        shrink = exp32(before - peak)
        values[state] = peak
        values[state + num_queries] = values[state + num_queries] * shrink
        for i in range(width):
            values[result + i] = values[result + i] * shrink
    values[state + num_queries] += total


@inner_kernel
def _gather(
    pool: Pool, scratch: Scratch, layer: Layer, qkv: Float32, qkv_at: int, qkv_stride: int, head: int
) -> None:
    """Copy the unit's scaled queries to the scratch; clear results, maxima and sums."""
    group = layer.num_q_heads // layer.num_kv_heads
    scale = np.float32(1.0) / np.sqrt(np.float32(layer.head_dim))
    width, n, values = pool.value_stride, scratch.num_queries, scratch.values
    state = scratch.base + n * (2 * width + scratch.score_stride)
    for query in range(n):
        start = qkv_at + query // group * qkv_stride + (head * group + query % group) * layer.head_dim
        to = scratch.base + query * width
        for i in range(layer.head_dim):
            values[to + i] = qkv[start + i] * scale
        for i in range(width):
            values[to + n * width + i] = np.float32(0.0)
        values[state + query] = np.float32(-1e30)
        values[state + n + query] = np.float32(0.0)


@inner_kernel
def _fetch(values: Cached, cell: int, size: int) -> None:
    """Begin to bring a block's K or V from memory: blocks lie anywhere, so no CPU guesses the next one."""
    start = cell * size
    for i in range(start, start + size, line_elements(values)):
        prefetch(values, i)


@inner_kernel
def _attend_unit(
    pool: Pool, scratch: Scratch, s: int, head: int, position: int, count: int, window: int
) -> None:
    """Fill the scratch's results and sums for `count` rows from `position` on."""
    size, width, n = pool.block_size, pool.value_stride, scratch.num_queries
    group = n // count
    oldest = max(0, position - window + 1) if window > 0 else 0
    scores = scratch.base + 2 * n * width
    state = scores + n * scratch.score_stride
    span = max(1, SPAN_TOKENS // size) * size
    newest = (position + count - 1) // size
    for number in range(oldest // span, (position + count - 1) // span + 1):
        start = number * span
        begin, end = max(oldest, start), min(position + count, start + span)
        last = (end - 1) // size
        for block in range(begin // size, last + 1):
            _fetch(pool.v, cell_number(pool, s, block, head), size * width)
            _fetch(pool.k, cell_number(pool, s, min(block + _AHEAD, newest), head), size * pool.head_dim)
            _score_block(pool, scratch, cell_number(pool, s, block, head), scores + block * size - start)
        for query in range(n):
            own = position + query // group
            low = min(max(begin, own - window + 1), end) if window > 0 else begin
            high = max(low, min(end, own + 1))
            _soften(scratch.values, scores + query * scratch.score_stride, begin - start, low - start,
                    high - start, end - start, state + query, scratch.base + (n + query) * width,
                    width, n)  # fmt: skip
        for block in range(begin // size, last + 1):
            first, stop = max(begin, block * size), min(end, block * size + size)
            v_at = (cell_number(pool, s, block, head) * size + first - block * size) * width
            _add_values(pool, scratch, v_at, scores + first - start, stop - first)


@inner_kernel
def _finish_unit(
    scratch: Scratch, layer: Layer, width: int, row: int, head: int,
    gates: Float32, gate_stride: int, context: Float32,
) -> None:  # fmt: skip
    """Divide by the sums, apply the head gates and store the unit's rows of `context`."""
    group, n = layer.num_q_heads // layer.num_kv_heads, scratch.num_queries
    sums = scratch.base + n * (2 * width + scratch.score_stride + 1)
    for query in range(n):
        t, q_head = row + query // group, head * group + query % group
        factor = sigmoid(gates[t * gate_stride + q_head]) / scratch.values[sums + query]
        result = scratch.base + (n + query) * width
        to = (t * layer.num_q_heads + q_head) * layer.head_dim
        for i in range(layer.head_dim):
            context[to + i] = scratch.values[result + i] * factor


@inner_kernel
def _fetch_beginning(pool: Pool, s: int, head: int, position: int, count: int, window: int) -> None:
    """Ask for the keys of the first blocks that a unit reads, of which nobody else does."""
    oldest = max(0, position - window + 1) if window > 0 else 0
    first, newest = oldest // pool.block_size, (position + count - 1) // pool.block_size
    for block in range(first, min(first + _AHEAD, newest + 1)):
        _fetch(pool.k, cell_number(pool, s, block, head), pool.block_size * pool.head_dim)


@inner_kernel
def _further(inputs: Inputs, num_heads: int, s: int, row: int, head: int, count: int) -> tuple[int, int, int]:
    """Sequence, first row and KV head of the unit `count` units behind one; the sequence is their number when
    there is none."""
    head += count
    while s < inputs.counts[2] and head >= num_heads:
        head -= num_heads
        row += ROWS
        while s < inputs.counts[2] and row >= inputs.query_starts[s + 1]:
            s += 1
            row = np.int64(inputs.query_starts[s])
    return s, row, head


@inner_kernel
def attention(
    team: Team, inputs: Inputs, layer: Layer, pool: Pool, scratch: Scratch,
    qkv: Float32, qkv_stride: int, gates: Float32, gate_stride: int, context: Float32,
) -> None:  # fmt: skip
    """This thread's units of a whole batch: the gated heads of row t go to `context[t * N * H:]`.

    qkv: rows of rotated queries, keys and values; gates: rows of head gate logits. K/V of all rows
    must have been written. `scratch` is this thread's; its `num_queries` is set per unit.
    """
    group, heads, window = layer.num_q_heads // layer.num_kv_heads, layer.num_kv_heads, layer.window_tokens
    s, row, head = _further(inputs, heads, np.int64(0), np.int64(0), np.int64(0), np.int64(team.thread))
    while s < inputs.counts[2]:
        next_s, next_row, next_head = _further(inputs, heads, s, row, head, np.int64(team.num_threads))
        if next_s < inputs.counts[2]:
            count = min(ROWS, inputs.query_starts[next_s + 1] - next_row)
            _fetch_beginning(pool, next_s, next_head, np.int64(inputs.positions[next_row]), count, window)
        count = min(ROWS, inputs.query_starts[s + 1] - row)
        part = Scratch(scratch.values, scratch.base, count * group, scratch.score_stride)
        _gather(pool, part, layer, qkv, row * qkv_stride, qkv_stride, head)
        _attend_unit(pool, part, s, head, np.int64(inputs.positions[row]), count, window)
        _finish_unit(part, layer, pool.value_stride, row, head, gates, gate_stride, context)
        s, row, head = next_s, next_row, next_head
