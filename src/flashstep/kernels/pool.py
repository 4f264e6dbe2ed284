"""One layer's K and V as kernels see them: paged, in cells of one block and one KV head."""

from typing import NamedTuple

import numpy as np

from flashstep.kernels.attention_tile import step_depth
from flashstep.kernels.jit import inner_kernel
from flashstep.kernels.pointers import line_elements, prefetch, put
from flashstep.kernels.tables import Cached, Float32, Int32


class Pool(NamedTuple):
    """One layer's view of its K/V pool, float32 or bfloat16 held as int16. `first_block` is the number of the
    layer's first block; `key_depth` and `value_stride` are the padded head widths of K and V."""

    k: Cached
    v: Cached
    table: Int32
    table_stride: int
    first_block: int
    num_kv_heads: int
    head_dim: int
    block_size: int
    key_depth: int
    value_stride: int


@inner_kernel
def cell_number(pool: Pool, s: int, block: int, head: int) -> int:
    """Number of the (block, KV head) cell that holds block `block` of sequence `s`."""
    return (pool.first_block + np.int64(pool.table[s * pool.table_stride + block])) * pool.num_kv_heads + head


@inner_kernel
def write_kv(
    pool: Pool, s: int, position: int, head: int, keys: Float32, k_at: int, v_at: int, is_last: bool
) -> None:
    """Store one token's K (at `keys[k_at:]`) and V (at `keys[v_at:]`) of KV head `head`.

    is_last: no later row of the sequence is in this batch. What the other half of its pair in V has held so
    far is cleared then: it is read with weight 0, and must be a number.
    """
    block, offset = position // pool.block_size, position % pool.block_size
    cell, pair = cell_number(pool, s, block, head), step_depth(pool.k)
    k_to = cell * pool.key_depth * pool.block_size + offset * pair
    v_to = (cell * pool.block_size + offset // pair * pair) * pool.value_stride + offset % pair
    for i in range(pool.head_dim):
        put(pool.k, k_to + i // pair * pair * pool.block_size + i % pair, keys[k_at + i])
        put(pool.v, v_to + i * pair, keys[v_at + i])
    if pair == 2 and is_last and offset % 2 == 0:
        for i in range(pool.head_dim):
            put(pool.v, v_to + i * pair + 1, np.float32(0.0))


@inner_kernel
def fetch_block(values: Cached, cell: int, size: int) -> None:
    """Begin to bring a block's K or V from memory: blocks lie anywhere, so no CPU guesses the next one."""
    start = cell * size
    for i in range(start, start + size, line_elements(values)):
        prefetch(values, i)
