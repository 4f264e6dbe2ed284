"""Causal attention over paged K/V, full or windowed, grouped query heads, online softmax, head gate.

A unit of work is a few neighbouring rows of one sequence and one KV head: its query heads share every
K and V that is read. Keys are visited in spans aligned to absolute positions, and a row ignores spans
outside its own range exactly, so the result of a row does not depend on how its sequence was cut into
chunks. The row at position p sees (p - window, p]; no block outside is read.
"""

import numpy as np

from flashstep.kernels.activation import exp32, sigmoid
from flashstep.kernels.amx_attention import STEP_TOKENS, add_staged, is_in_tiles, score_in_tiles, stage_values
from flashstep.kernels.attention_scratch import Scratch, span_tokens, whole_rows
from flashstep.kernels.attention_tile import attention_tile, depth_slots, pack_operand, step_depth
from flashstep.kernels.cpu import FLOAT_LANES
from flashstep.kernels.jit import inner_kernel
from flashstep.kernels.pool import Pool, cell_number, fetch_block
from flashstep.kernels.softmax import soften
from flashstep.kernels.spmd import Team
from flashstep.kernels.tables import Float32, Inputs, Layer

ROWS = 32  # rows of a unit; the more, the less often long contexts are read from memory
_AHEAD = 4  # blocks between the one whose keys are read and the one whose keys are asked for
_LOG2_E, _LN_2 = np.float32(1.4426950408889634), np.float32(0.6931471805599453)

# Sums enough to hide the latency of a multiply-add, but no more than there are registers for: with 32 of them
# a tile of K is one to eight queries times twice 16 keys, else one to four times 16; of V it is one to four
# rows of weights times four vectors, or two.
_KEYS = 16
_HAS_32_REGISTERS = FLOAT_LANES == 16
_PARTS = 2 if _HAS_32_REGISTERS else 1
_COLUMNS = 64 if _HAS_32_REGISTERS else 32
_COLUMNS_4 = 64 if _HAS_32_REGISTERS else 16
_score_1, _score_2, _score_4, _score_8 = (
    attention_tile(rows, _PARTS, _KEYS // FLOAT_LANES, accumulate=False) for rows in (1, 2, 4, 8)
)
_value_1, _value_2 = (attention_tile(rows, 1, _COLUMNS // FLOAT_LANES, accumulate=True) for rows in (1, 2))
_value_4 = attention_tile(4, 1, _COLUMNS_4 // FLOAT_LANES, accumulate=True)
# What is left of a head whose width is no multiple of 64, which is 32.
_rest_1, _rest_2 = (attention_tile(rows, 1, 32 // FLOAT_LANES, accumulate=True) for rows in (1, 2))
_REST_4 = min(32, _COLUMNS_4)
_rest_4 = attention_tile(4, 1, _REST_4 // FLOAT_LANES, accumulate=True)


@inner_kernel
def _score_keys(pool: Pool, scratch: Scratch, w_at: tuple[int, ...], y_at: tuple[int, ...]) -> None:
    """scores[n, 0:16] = queries[n] . 16 keys, for each part: `w_at` is where its keys are, `y_at` where row
    0's scores start."""
    x, y, base, stride, width = (
        scratch.values, scratch.values, scratch.base, scratch.score_stride, pool.value_stride,
    )  # fmt: skip
    pair = step_depth(pool.k)
    depth, step, n = pool.key_depth // pair, pair * pool.block_size, 0
    if _PARTS == 2 and is_in_tiles(pool):
        score_in_tiles(pool, scratch, w_at, y_at)
        return
    while n < scratch.num_queries:
        left = scratch.num_queries - n
        if _HAS_32_REGISTERS and left >= 8:
            _score_8(n, x, base, width, pool.k, w_at, step, depth, y, y_at, stride)
            n += 8
        elif left >= 4:
            _score_4(n, x, base, width, pool.k, w_at, step, depth, y, y_at, stride)
            n += 4
        elif left >= 2:
            _score_2(n, x, base, width, pool.k, w_at, step, depth, y, y_at, stride)
            n += 2
        else:
            _score_1(n, x, base, width, pool.k, w_at, step, depth, y, y_at, stride)
            n += 1


@inner_kernel
def _score_blocks(
    pool: Pool, scratch: Scratch, s: int, head: int, first: int, last: int, newest: int, scores: int
) -> None:
    """Scores of all queries and blocks first ... last; `scores` is where position 0 would lie in row 0.
    newest: the last block that the unit will read."""
    size = pool.block_size
    per_block = (size + _KEYS - 1) // _KEYS
    count = (last + 1 - first) * per_block
    for i in range(0, count, _PARTS):
        for number in range(i, min(i + _PARTS, count)):
            if number % per_block == 0:
                block = first + number // per_block
                fetch_block(pool.v, cell_number(pool, s, block, head), size * pool.value_stride)
                ahead = min(block + _AHEAD, newest)
                fetch_block(pool.k, cell_number(pool, s, ahead, head), size * pool.key_depth)
        w_at, y_at = _keys_at(pool, s, head, first, per_block, i, scores)
        if _PARTS == 2:  # an odd last part is done twice
            w_2, y_2 = _keys_at(pool, s, head, first, per_block, min(i + 1, count - 1), scores)
            _score_keys(pool, scratch, (w_at, w_2), (y_at, y_2))
        else:
            _score_keys(pool, scratch, (w_at,), (y_at,))


@inner_kernel
def _keys_at(
    pool: Pool, s: int, head: int, first: int, per_block: int, number: int, scores: int
) -> tuple[int, int]:
    """Where the keys of part `number` from block `first` on begin, and their scores."""
    size, block, offset = pool.block_size, first + number // per_block, number % per_block * _KEYS
    w_at = cell_number(pool, s, block, head) * pool.key_depth * size + offset * step_depth(pool.k)
    return w_at, scores + block * size + offset


@inner_kernel
def _list_values(pool: Pool, scratch: Scratch, s: int, head: int, first: int, end: int) -> int:
    """Where V of the tokens from `first` (the first of a pair) to `end` begins, step by step; returns their
    number."""
    size, pair, count = pool.block_size, step_depth(pool.v), 0
    for block in range(first // size, (end - 1) // size + 1):
        start = block * size
        cell = cell_number(pool, s, block, head) * size
        for offset in range(max(first - start, 0), min(end - start, size), pair):
            scratch.value_rows[count] = (cell + offset) * pool.value_stride
            count += 1
    return count


@inner_kernel
def _add_values(pool: Pool, scratch: Scratch, weights: int, count: int) -> None:
    """results[n] += weights[n] . V of the `count` listed steps."""
    x, y, v, rows = scratch.values, scratch.values, pool.v, scratch.value_rows
    width, stride, pair = pool.value_stride, scratch.score_stride, step_depth(pool.v)
    results, whole, n = scratch.base + scratch.num_rows * width, pool.value_stride // 64 * 64, 0
    while n < scratch.num_queries:
        left = scratch.num_queries - n
        if left >= 4:
            for c in range(0, whole, _COLUMNS_4):
                _value_4(n, x, weights, stride, v, (c * pair,), rows, count, y, (results + c,), width)
            for c in range(whole, width, _REST_4):
                _rest_4(n, x, weights, stride, v, (c * pair,), rows, count, y, (results + c,), width)
            n += 4
        elif left >= 2:
            for c in range(0, whole, _COLUMNS):
                _value_2(n, x, weights, stride, v, (c * pair,), rows, count, y, (results + c,), width)
            if whole < width:
                _rest_2(n, x, weights, stride, v, (whole * pair,), rows, count, y, (results + whole,), width)
            n += 2
        else:
            for c in range(0, whole, _COLUMNS):
                _value_1(n, x, weights, stride, v, (c * pair,), rows, count, y, (results + c,), width)
            if whole < width:
                _rest_1(n, x, weights, stride, v, (whole * pair,), rows, count, y, (results + whole,), width)
            n += 1


@inner_kernel
def _soften_query(
    pool: Pool, scratch: Scratch, query: int, scores: int, first: int, low: int, high: int, end: int
) -> None:
    """Turn scores [low, high) of one query into weights against its running maximum, and those of the rest of
    [first, end), which are whole vectors, into zeros; its result and its sum so far are rescaled. `scores` is
    where its row starts."""
    values, n, width = scratch.values, scratch.num_rows, pool.value_stride
    state = scratch.base + n * (2 * width + scratch.score_stride) + query
    before, num_vectors = values[state], (end - first) // FLOAT_LANES
    peak, total = soften(values, scores + first, num_vectors, low - first, high - first, before, pool.k)
    if peak > before:
        shrink = exp32((before - peak) * _LN_2)
        values[state] = peak
        values[state + n] = values[state + n] * shrink
        result = scratch.base + (n + query) * width
        for i in range(width):
            values[result + i] = values[result + i] * shrink
    values[state + n] += total


@inner_kernel
def _gather(
    pool: Pool, scratch: Scratch, layer: Layer, qkv: Float32, qkv_at: int, qkv_stride: int, head: int
) -> None:
    """Copy the unit's scaled queries to the scratch; clear results, maxima and sums."""
    group = layer.num_q_heads // layer.num_kv_heads
    scale = _LOG2_E / np.sqrt(np.float32(layer.head_dim))  # weights are powers of two
    width, n, values = pool.value_stride, scratch.num_rows, scratch.values
    state = scratch.base + n * (2 * width + scratch.score_stride)
    for query in range(scratch.num_queries):
        start = qkv_at + query // group * qkv_stride + (head * group + query % group) * layer.head_dim
        to = scratch.base + query * width
        for i in range(layer.head_dim):
            values[to + i] = qkv[start + i] * scale
        for i in range(layer.head_dim, pool.key_depth):
            values[to + i] = np.float32(0.0)
        pack_operand(values, to, pool.key_depth, pool.k)
        for i in range(width):
            values[to + n * width + i] = np.float32(0.0)
        values[state + query] = np.float32(-1e30)
        values[state + n + query] = np.float32(0.0)


@inner_kernel
def _attend_unit(
    pool: Pool, scratch: Scratch, s: int, head: int, position: int, count: int, window: int
) -> None:
    """Fill the scratch's results and sums for `count` rows from `position` on."""
    size, width, n = pool.block_size, pool.value_stride, scratch.num_queries
    group, pair, slots = n // count, step_depth(pool.k), depth_slots(pool.k)
    oldest = max(0, position - window + 1) if window > 0 else 0
    span, newest = span_tokens(size), (position + count - 1) // size
    scores = scratch.base + 2 * scratch.num_rows * width
    unit = STEP_TOKENS if is_in_tiles(pool) else FLOAT_LANES  # tokens whose weights begin together
    for number in range(oldest // span, (position + count - 1) // span + 1):
        start = number * span
        begin, end = max(oldest, start), min(position + count, start + span)
        _score_blocks(pool, scratch, s, head, begin // size, (end - 1) // size, newest, scores - start)
        lead, tail = (begin - start) // unit * unit, (end - start + unit - 1) // unit * unit
        for query in range(n):
            own = position + query // group
            low = min(max(begin, own - window + 1), end) if window > 0 else begin
            high = max(low, min(end, own + 1))
            row = scores + query * scratch.score_stride
            _soften_query(pool, scratch, query, row, lead, low - start, high - start, tail)
        first = begin // pair * pair
        steps = _list_values(pool, scratch, s, head, first, end)
        if is_in_tiles(pool):
            stage_values(pool, scratch, (first - start - lead) // pair, steps, tail - lead)
            add_staged(pool, scratch, scores + lead, tail - lead)
        else:
            _add_values(pool, scratch, scores + lead + (first - start - lead) * slots // pair, steps)


@inner_kernel
def _finish_unit(
    scratch: Scratch, layer: Layer, width: int, row: int, head: int,
    gates: Float32, gate_stride: int, context: Float32,
) -> None:  # fmt: skip
    """Divide by the sums, apply the head gates and store the unit's rows of `context`."""
    group, n = layer.num_q_heads // layer.num_kv_heads, scratch.num_rows
    sums = scratch.base + n * (2 * width + scratch.score_stride + 1)
    for query in range(scratch.num_queries):
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
        fetch_block(pool.k, cell_number(pool, s, block, head), pool.block_size * pool.key_depth)


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
        part = Scratch(scratch.values, scratch.value_rows, scratch.base, count * group,
                       whole_rows(count * group), scratch.score_stride)  # fmt: skip
        _gather(pool, part, layer, qkv, row * qkv_stride, qkv_stride, head)
        _attend_unit(pool, part, s, head, np.int64(inputs.positions[row]), count, window)
        _finish_unit(part, layer, pool.value_stride, row, head, gates, gate_stride, context)
        s, row, head = next_s, next_row, next_head
