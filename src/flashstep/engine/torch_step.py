"""One forward pass of `model/` over paged K/V: the trunk, and the chain of MTP modules.

Nothing here waits for the device or depends on values, only on shapes, so that a CUDA graph can hold it.
Weights, norms, rotary and experts are those of `model/`; only attention differs.
Shape letters: T rows, S sequences, Q rows of each sequence of a group, M blocks in a table row, D width,
J drafts.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from flashstep.engine.torch_attention import Span, attend, make_span
from flashstep.engine.torch_cache import LayerCache
from flashstep.model.attention import Attention
from flashstep.model.block import Block
from flashstep.model.config import LayerSpec, RopeSpec
from flashstep.model.mtp import MTPModule
from flashstep.model.rope import angle_tables, inverse_frequencies
from flashstep.model.transformer import Transformer

Turns = dict[RopeSpec, tuple[Tensor, Tensor]]


class Group(NamedTuple):
    """Sequences with equally many rows: which rows of the batch, int64 [S * Q], and one span per window."""

    rows: Tensor
    spans: dict[int | None, Span]


class Step(NamedTuple):
    """What the layers of one pass read about its rows: cos and sin [T, dim / 2], and the groups."""

    turns: Turns
    groups: Sequence[Group]


class Pools(NamedTuple):
    """Sizes that turn positions into slots; the spare block follows the last one."""

    block_size: int
    num_full_blocks: int
    num_sliding_blocks: int

    def spare_block(self, window: int | None) -> int:
        """Id of the spare block of the pool behind layers with this window."""
        return self.num_full_blocks if window is None else self.num_sliding_blocks


def make_group(rows: Tensor, positions_SQ: Tensor, tables: dict[int | None, Tensor], pools: Pools) -> Group:
    """A group from its rows, positions and the block table [S, M] of each window (None = full layers)."""
    spans = {
        window: make_span(table, positions_SQ, window, pools.block_size, pools.spare_block(window))
        for window, table in tables.items()
    }
    return Group(rows, spans)


def inverse_tables(specs: Sequence[LayerSpec], device: torch.device) -> dict[RopeSpec, Tensor]:
    """Rotary frequencies of every kind of layer, on the device."""
    return {spec.rope: inverse_frequencies(spec.rope).to(device) for spec in specs}


def make_turns(inverse: dict[RopeSpec, Tensor], positions_T: Tensor) -> Turns:
    """cos and sin of the rows for every kind of layer."""
    return {rope: angle_tables(frequencies, positions_T) for rope, frequencies in inverse.items()}


def trunk(model: Transformer, token_ids_T: Tensor, caches: Sequence[LayerCache], step: Step) -> Tensor:
    """Pre-norm hidden states [T, D]; writes K/V of all rows."""
    h_TD = model.embedding(token_ids_T)
    for layer, cache in zip(model.layers, caches, strict=False):  # those of the MTP modules come last
        assert isinstance(layer, Block)
        h_TD = decoder_layer(layer, h_TD, cache, step)
    return h_TD


def draft_chain(
    model: Transformer, token_ids_T: Tensor, hidden_TD: Tensor, append_SJ: Tensor, last_rows_S: Tensor,
    caches: Sequence[LayerCache], step: Step,
) -> Tensor:  # fmt: skip
    """Best tokens of all modules at the sequences' last rows, [S, J]; streams as `DraftBatch` says."""
    drafts = []
    for depth, (module, cache) in enumerate(zip(model.mtp, caches[len(model.layers) :], strict=True)):
        assert isinstance(module, MTPModule)
        fused_TD = module.fuse(model.embedding(token_ids_T), hidden_TD)
        hidden_TD = decoder_layer(module.layer, fused_TD, cache, step)
        best_S = module.logits(hidden_TD.index_select(0, last_rows_S)).argmax(-1)
        drafts.append(best_S)
        next_S = torch.where(append_SJ[:, depth] >= 0, append_SJ[:, depth], best_S)
        token_ids_T = token_ids_T.roll(-1).index_copy(0, last_rows_S, next_S)
    return torch.stack(drafts, dim=1)


def decoder_layer(layer: Block, h_TD: Tensor, cache: LayerCache, step: Step) -> Tensor:
    """One layer over all rows."""
    h_TD = h_TD + _attention(layer.attention, layer.attention_norm(h_TD), cache, step)
    return h_TD + layer.mlp(layer.mlp_norm(h_TD))


def _attention(attention: Attention, x_TD: Tensor, cache: LayerCache, step: Step) -> Tensor:
    """Write all rows' K/V, then let every group read."""
    spec = attention.spec
    q_TNH, k_TGH, v_TGH = attention.project(x_TD, *step.turns[spec.rope])
    heads_TNH = torch.empty_like(q_TNH)
    for group in step.groups:
        slots = group.spans[spec.window_tokens].write_slots_SQ.flatten()
        cache.keys.index_copy_(0, slots, k_TGH.index_select(0, group.rows))
        cache.values.index_copy_(0, slots, v_TGH.index_select(0, group.rows))
    for group in step.groups:
        span = group.spans[spec.window_tokens]
        q_SQNH = q_TNH.index_select(0, group.rows).unflatten(0, span.write_slots_SQ.shape)
        heads_TNH.index_copy_(0, group.rows, attend(q_SQNH, cache, span).flatten(0, 1))
    return attention.output(x_TD, heads_TNH)
