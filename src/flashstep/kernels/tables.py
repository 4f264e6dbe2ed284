"""What a compiled step reads and writes: plain arrays, and integer tables that say where things lie.

All weights of a model live in three flat arrays; a `Matrix` or `Layer` is one row of an int64
table, given names by `read_matrix` / `read_layer`. Inside compiled code every array here is a bare
pointer (pointers.py), so tables are flat and rows are found by stride. Knows no configs or checkpoints.
Offsets and strides count elements. Shape letters: T rows, S sequences, R wanted logit rows,
D width, N query heads, G KV heads, H head width, E experts, K experts per row, F inner width.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flashstep.kernels.jit import inner_kernel, kernel

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
Int32 = NDArray[np.int32]
Int8 = NDArray[np.int8]
Cached = NDArray[np.float32 | np.int16]  # K and V: float32, or bfloat16 in its 16 bits

PANEL = 64  # output channels of every matrix are padded to whole panels
NARROW = 16  # and those of a float32 matrix that fills less than a panel are kept in multiples of this
GROUP = 32  # inputs that share a scale in int4
# Storage formats of a matrix; see pack.py.
FLOAT_PANELS, BFLOAT_PANELS, INT8_PANELS, INT4_PANELS = range(4)


class Weights(NamedTuple):
    """Bytes of all matrices but float32 ones; per output channel of int8 ones `-128 * sum`; everything else
    (float32 matrices, scales, norms, embedding)."""

    chars: Int8
    sums: Int32
    floats: Float32


class Matrix(NamedTuple):
    """A stack of equally shaped matrices (a stack of one, or one per expert).

    `num_columns` output channels (padded), `depth` inputs (padded to 4 for int8, to 32 for int4). Item e
    starts `e * stride` behind `offset` (in the floats for FLOAT_PANELS, else in the chars), its panels
    `panel_stride` apart (of float32, `depth` times the columns that are kept of a panel); its scales and sums
    lie `e * num_columns` behind `scale_offset` and `sum_offset`. int4 has the start of its float sums at
    `scale_offset` instead of scales.
    """

    format: int
    num_columns: int
    depth: int
    offset: int
    stride: int
    panel_stride: int
    scale_offset: int
    sum_offset: int


class Layer(NamedTuple):
    """One decoder layer. `window_tokens` 0 = full attention; norm offsets point into the floats.

    Fields named like matrices are row numbers of the matrix table. `inner_dim` is the width of the
    shared expert or dense MLP; `num_experts` 0 = no routed experts. Gate and up lie in one matrix,
    up starting at the padded inner width.
    """

    window_tokens: int
    num_q_heads: int
    num_kv_heads: int
    head_dim: int
    cache_index: int
    rope: int
    attention_norm: int
    mlp_norm: int
    q_norm: int
    k_norm: int
    qkv: int
    head_gate: int
    output: int
    inner_dim: int
    gate_up: int
    down: int
    num_experts: int
    top_k: int
    expert_dim: int
    router: int
    router_bias: int
    expert_gate_up: int
    expert_down: int


class LayerScalars(NamedTuple):
    """Float settings of a layer; a limit of infinity means no clamp."""

    limit: np.float32
    shared_limit: np.float32
    routed_scale: np.float32


class Draft(NamedTuple):
    """One MTP module around its decoder layer: norm offsets and matrix numbers."""

    embedding_norm: int
    hidden_norm: int
    joint: int
    norm: int
    head: int


class Sizes(NamedTuple):
    """Numbers that hold for the whole model and its caches."""

    d_model: int
    vocab_size: int
    num_layers: int
    num_drafts: int
    embedding: int
    final_norm: int
    head: int
    num_ropes: int
    block_size: int
    num_full_blocks: int
    num_sliding_blocks: int
    max_rows: int
    table_stride: int


class Tables(NamedTuple):
    """The integer and float tables behind the records above, row after row; `eps` has one element."""

    matrices: Int64
    layers: Int64
    scalars: Float32
    drafts: Int64
    ropes: Int64
    sizes: Int64
    eps: Float32


def cached_type(bytes_per_number: int) -> type[np.float32] | type[np.int16]:
    """The element type of K and V arrays."""
    return np.int16 if bytes_per_number == 2 else np.float32


class Caches(NamedTuple):
    """K lies [layer, block, G, H, P] (keys are the columns of a tile), V [layer, block, G, P, H], both flat,
    H padded to pairs in K and to whole tiles in V. float32; or bfloat16 held as int16, two neighbours of H in
    K, and of P in V, together: [layer, block, G, H / 2, P, 2] and [layer, block, G, P / 2, H, 2]."""

    full_k: Cached
    full_v: Cached
    sliding_k: Cached
    sliding_v: Cached


class Inputs(NamedTuple):
    """The batch in staging arrays of fixed size; `counts` says what is used:
    [job, T, S, R, entries per row of the full table, of the sliding table, are hidden states wanted]."""

    counts: Int64
    token_ids: Int32
    positions: Int32
    query_starts: Int32
    full_table: Int32
    sliding_table: Int32
    logit_rows: Int32
    append_token_ids: Int32
    drafts: Int32


@inner_kernel
def read_matrix(tables: Tables, number: int) -> Matrix:
    """Row `number` of the matrix table."""
    t, i = tables.matrices, number * 8
    return Matrix(t[i], t[i + 1], t[i + 2], t[i + 3], t[i + 4], t[i + 5], t[i + 6], t[i + 7])


@inner_kernel
def read_layer(tables: Tables, number: int) -> Layer:
    """Row `number` of the layer table (trunk layers, then MTP layers)."""
    t, i = tables.layers, number * 23
    return Layer(
        t[i], t[i + 1], t[i + 2], t[i + 3], t[i + 4], t[i + 5], t[i + 6], t[i + 7], t[i + 8], t[i + 9],
        t[i + 10], t[i + 11], t[i + 12], t[i + 13], t[i + 14], t[i + 15], t[i + 16], t[i + 17], t[i + 18],
        t[i + 19], t[i + 20], t[i + 21], t[i + 22],
    )  # fmt: skip


@inner_kernel
def read_scalars(tables: Tables, number: int) -> LayerScalars:
    """Float settings of layer `number`."""
    t, i = tables.scalars, number * 3
    return LayerScalars(t[i], t[i + 1], t[i + 2])


@inner_kernel
def read_draft(tables: Tables, depth: int) -> Draft:
    """MTP module `depth`, counted from 0."""
    t, i = tables.drafts, depth * 5
    return Draft(t[i], t[i + 1], t[i + 2], t[i + 3], t[i + 4])


@inner_kernel
def read_sizes(tables: Tables) -> Sizes:
    """The numbers of the whole model."""
    t = tables.sizes
    return Sizes(t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9], t[10], t[11], t[12])


@kernel
def padded(count: int) -> int:
    """`count` rounded up to whole panels."""
    return (count + PANEL - 1) // PANEL * PANEL
