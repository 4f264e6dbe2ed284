"""Compiles the entry points ahead of the first request, by running one batch of a one-layer model."""

from collections.abc import Callable

import numpy as np

from flashstep.kernels.decoding import Decoding, new_decoding
from flashstep.kernels.pack import Packer
from flashstep.kernels.padding import value_stride
from flashstep.kernels.sampling import sample_rows
from flashstep.kernels.tables import (
    FLOAT_PANELS,
    INT8_PANELS,
    Caches,
    Inputs,
    Layer,
    Sizes,
    Tables,
    Weights,
    cached_type,
)
from flashstep.kernels.team import Workers
from flashstep.kernels.workspace import SLACK, Workspace, aligned, new_inputs, new_workspace

D, HEADS, HEAD_DIM, PANEL_DIM, VOCAB, BLOCK = 64, 2, 32, 64, 64, 16


def compile_all(progress: Callable[[str, int, int], None], bytes_per_cached_number: int) -> None:
    """Compile (or load from the cache) every kernel for such K and V; calls `progress(name, done, total)`
    before and at the end. Takes up to a minute once per machine, under two seconds afterwards."""
    progress("forward pass", 0, 2)
    arrays = _tiny_model(bytes_per_cached_number)
    Workers(1, *arrays, np.array([VOCAB, BLOCK, 1, 1, 1, 1], np.int64)).run()
    progress("sampling", 1, 2)
    one, row = np.ones(1, np.float32), np.zeros((1, VOCAB), np.float32)
    number, share, scratch = np.zeros(1, np.int64), np.full(1, 0.5), np.empty(VOCAB, np.float32)
    sample_rows(row, number, one, number, share, one, share, scratch, scratch.copy(), number.copy())
    progress("ready", 2, 2)


def _tiny_model(
    bytes_per_cached_number: int,
) -> tuple[Weights, Tables, Caches, Workspace, Inputs, Decoding]:
    """One full-attention dense layer with zero weights and a batch of one token."""
    packer = Packer()

    def matrix(rows: int, columns: int, exact: bool = False) -> int:
        format_ = FLOAT_PANELS if exact else INT8_PANELS
        return packer.matrix(format_, np.zeros((rows, columns), np.float32))

    ones = packer.vector(np.ones(D, np.float32))
    width = HEADS * HEAD_DIM
    layer = Layer(
        window_tokens=0, num_q_heads=HEADS, num_kv_heads=HEADS, head_dim=HEAD_DIM, cache_index=0, rope=0,
        attention_norm=ones, mlp_norm=ones, q_norm=ones, k_norm=ones, qkv=matrix(3 * width, D),
        head_gate=matrix(HEADS, D, exact=True), output=matrix(D, width), inner_dim=PANEL_DIM,
        gate_up=matrix(2 * PANEL_DIM, D), down=matrix(D, PANEL_DIM), num_experts=0, top_k=0, expert_dim=0,
        router=0, router_bias=0, expert_gate_up=0, expert_down=0,
    )  # fmt: skip
    sizes = Sizes(
        d_model=D, vocab_size=VOCAB, num_layers=1, num_drafts=0,
        embedding=packer.vector(np.ones((VOCAB, D), np.float32)),
        final_norm=ones, head=matrix(VOCAB, D), num_ropes=1, block_size=BLOCK, num_full_blocks=1,
        num_sliding_blocks=1, max_rows=1, table_stride=1,
    )  # fmt: skip
    ropes = np.array([[packer.vector(np.ones(HEAD_DIM // 2, np.float32)), HEAD_DIM // 2]], np.int64)
    weights, matrices = packer.finish()
    scalars = np.full((1, 3), np.inf, np.float32)
    tables = Tables(
        matrices, np.array([layer], np.int64), scalars, np.zeros((1, 5), np.int64), ropes,
        np.array(sizes, np.int64), np.array([1e-5], np.float32),
    )  # fmt: skip
    cache = aligned(HEADS * BLOCK * value_stride(HEAD_DIM) + SLACK, cached_type(bytes_per_cached_number))
    inputs = new_inputs(1, 1, 1, 0)
    inputs.counts[:7] = 0, 1, 1, 1, 1, 1, 1
    inputs.query_starts[1] = 1
    work = new_workspace(sizes, [layer], 3 * width, HEAD_DIM, 1, 1)
    decoding = new_decoding(1, 0, D, VOCAB, 1)
    return weights, tables, Caches(cache, cache, cache, cache), work, inputs, decoding
