"""All memory that a step writes, allocated once for the largest batch; nothing is allocated in a step.

Arrays are flat; `Strides` tells how rows lie in them. Every array ends in slack, because tiles read
and write whole vectors. Large arrays cost memory only where they are touched.
"""

from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from flashstep.kernels.amx_linear import SLACK_ROWS
from flashstep.kernels.attention import ROWS
from flashstep.kernels.attention_scratch import score_stride, scratch_floats
from flashstep.kernels.cpu import HAS_AMX
from flashstep.kernels.jit import inner_kernel
from flashstep.kernels.tables import PANEL, Float32, Inputs, Int8, Int32, Int64, Layer, Sizes

SLACK = 128  # elements behind the last row of every array
LINE_BYTES = 64
Scalar = TypeVar("Scalar", bound=np.generic)


class Workspace(NamedTuple):
    """Activations of one step. T rows; `*_chars` and `*_scales` are the quantised twins.

    residual, hidden [T, D] (hidden = the trunk's result, kept for the caller); normed [T, 2D];
    qkv, gates, branch (a sub-block's result), router [T, ...]; context [T, N * H]; gated and inner:
    rows of gate|up products and of SwiGLU results, routed rows by place, then shared rows;
    routed [T * K, D] expert results; routed_chars: what the experts read, by place (AMX only); turns:
    cosines and sines; scratch, value_rows: per thread.
    """

    residual: Float32
    hidden: Float32
    normed: Float32
    normed_chars: Int8
    normed_scales: Float32
    qkv: Float32
    gates: Float32
    context: Float32
    context_chars: Int8
    context_scales: Float32
    branch: Float32
    router: Float32
    expert_ids: Int32
    expert_weights: Float32
    gated: Float32
    inner: Float32
    inner_chars: Int8
    inner_scales: Float32
    routed: Float32
    routed_chars: Int8
    routed_scales: Float32
    turns: Float32
    scratch: Float32
    value_rows: Int64
    logits: Float32
    identity: Int32
    groups: Int32
    last_rows: Int32
    strides: Int64


class Strides(NamedTuple):
    """Elements from row to row (or thread to thread: scratch, groups) of the arrays above.

    `score` belongs to the attention scratch and to value_rows; `expert_starts` is the room for group starts
    in a thread's share of `groups`, followed by `routed_rows` row numbers and as many places.
    """

    qkv: int
    gates: int
    branch: int
    router: int
    turns: int
    rope: int
    scratch: int
    score: int
    logits: int
    groups: int
    expert_starts: int
    routed_rows: int


@inner_kernel
def read_strides(work: Workspace) -> Strides:
    """The strides of this workspace."""
    s = work.strides
    return Strides(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10], s[11])


def aligned(count: int, dtype: type[Scalar]) -> NDArray[Scalar]:
    """Zeroed flat array that starts on a cache line (vector loads that straddle lines cost double)."""
    itemsize = np.dtype(dtype).itemsize
    raw = np.zeros(count * itemsize + LINE_BYTES, np.uint8)
    skip = -raw.ctypes.data % LINE_BYTES
    return raw[skip : skip + count * itemsize].view(dtype)


def _pad(count: int) -> int:
    return -(-count // PANEL) * PANEL


def measure_strides(sizes: Sizes, layers: list[Layer], widest_qkv: int, widest_rope: int) -> Strides:
    """Strides for these layers."""
    queries = ROWS * max(layer.num_q_heads // layer.num_kv_heads for layer in layers)
    experts = max(layer.num_experts for layer in layers)
    routed_rows = sizes.max_rows * max(layer.top_k for layer in layers)
    scratch = scratch_floats(queries, max(layer.head_dim for layer in layers), sizes.block_size)
    return Strides(
        qkv=_pad(widest_qkv),
        gates=_pad(max(layer.num_q_heads for layer in layers)),
        branch=_pad(sizes.d_model),
        router=_pad(max(1, experts)),
        turns=sizes.num_ropes * widest_rope,
        rope=widest_rope,
        scratch=_pad(scratch),
        score=score_stride(sizes.block_size),
        logits=_pad(sizes.vocab_size),
        groups=_pad(experts + 1 + 2 * routed_rows),
        expert_starts=experts + 1,
        routed_rows=routed_rows,
    )


def new_workspace(
    sizes: Sizes, layers: list[Layer], widest_qkv: int, widest_rope: int, max_sequences: int, num_threads: int
) -> Workspace:
    """Allocate for `sizes.max_rows` rows of the widest layer and `num_threads` threads."""
    strides = measure_strides(sizes, layers, widest_qkv, widest_rope)
    rows, d = sizes.max_rows, sizes.d_model
    heads = max(layer.num_q_heads * layer.head_dim for layer in layers)
    gated = max(layer.top_k * 2 * _pad(layer.expert_dim) + 2 * _pad(layer.inner_dim) for layer in layers)
    inner = max(layer.top_k * layer.expert_dim + layer.inner_dim for layer in layers)

    def floats(count: int) -> Float32:
        return aligned(count + SLACK, np.float32)

    def chars(count: int, width: int) -> Int8:
        return aligned((count + SLACK_ROWS * HAS_AMX) * width + SLACK, np.int8)

    def ints(count: int) -> Int32:
        return aligned(count + SLACK, np.int32)

    return Workspace(
        residual=floats(rows * d), hidden=floats(rows * d),
        normed=floats(rows * 2 * d), normed_chars=chars(rows, 2 * d), normed_scales=floats(rows),
        qkv=floats(rows * strides.qkv), gates=floats(rows * strides.gates),
        context=floats(rows * heads), context_chars=chars(rows, heads), context_scales=floats(rows),
        branch=floats(rows * strides.branch), router=floats(rows * strides.router),
        expert_ids=ints(strides.routed_rows), expert_weights=floats(strides.routed_rows),
        gated=floats(rows * gated), inner=floats(rows * inner), inner_chars=chars(rows, inner),
        inner_scales=floats(strides.routed_rows + rows),
        routed=floats(strides.routed_rows * strides.branch),
        routed_chars=chars(strides.routed_rows * HAS_AMX, d), routed_scales=floats(strides.routed_rows),
        turns=floats(rows * strides.turns),
        scratch=floats(num_threads * strides.scratch),
        value_rows=np.zeros(num_threads * strides.score, np.int64), logits=floats(rows * strides.logits),
        identity=np.arange(strides.routed_rows + rows, dtype=np.int32),
        groups=ints(num_threads * strides.groups),
        last_rows=ints(max_sequences), strides=np.array(strides, np.int64),
    )  # fmt: skip


def new_inputs(max_rows: int, max_sequences: int, max_blocks: int, num_drafts: int) -> Inputs:
    """Staging arrays for batches of at most this size; tables have `max_blocks` entries a row."""

    def ints(*shape: int) -> NDArray[Any]:
        return np.zeros(shape, np.int32)

    return Inputs(
        counts=np.zeros(8, np.int64), token_ids=ints(max_rows), positions=ints(max_rows),
        query_starts=ints(max_sequences + 1), full_table=ints(max_sequences, max_blocks),
        sliding_table=ints(max_sequences, max_blocks), logit_rows=ints(max_rows),
        append_token_ids=ints(max_sequences, max(1, num_drafts)),
        drafts=ints(max_sequences, max(1, num_drafts)),
    )  # fmt: skip
