"""Attention over paged K/V in torch: which slots a group of sequences reads, and the product itself.

The sequences of a group have the same number of rows, so that one batched product serves them all. K/V
are gathered out of the pool first, which costs one more copy of them than a paged kernel would; in return
there is one path for every device. Shape letters: S sequences, Q rows of each, M blocks in a table row,
C slots that a sequence reads, N query heads, G KV heads, R = N / G, H head width.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from flashstep.engine.torch_cache import LayerCache

# A mask of one product has at most so many entries; longer chunks are cut. 64 MiB as bool.
_MASK_ENTRIES = 1 << 26


class Span(NamedTuple):
    """Where one kind of layer writes and reads for one group; slots are int64.

    mask_SQC: True = this row may attend to this slot. Slots that no row of a sequence may attend to
    are the spare one.
    """

    write_slots_SQ: Tensor
    read_slots_SC: Tensor
    mask_SQC: Tensor


def make_span(
    table_SM: Tensor, positions_SQ: Tensor, window: int | None, block_size: int, spare_block: int
) -> Span:
    """The span of sequences with these block tables (int64, -1 = none) and positions (ascending by 1).

    window: counts the current token; None = all earlier positions. A sliding layer reads only the
    blocks that its window can touch: with W = 5, 2 rows and blocks of 4, at most 3 of them.
    """
    blocks_SM = _blocks(table_SM.shape[1], positions_SQ, window, block_size)
    offsets = torch.arange(block_size, device=table_SM.device)
    keys_SC = (blocks_SM.unsqueeze(-1) * block_size + offsets).flatten(1)
    ids_SM = table_SM.gather(1, blocks_SM.clamp(max=table_SM.shape[1] - 1))
    slots_SC = (ids_SM.unsqueeze(-1) * block_size + offsets).flatten(1)
    distance_SQC = positions_SQ.unsqueeze(-1) - keys_SC.unsqueeze(1)
    mask_SQC = distance_SQC >= 0
    if window is not None:
        mask_SQC &= distance_SQC < window
    slots_SC = slots_SC.masked_fill(~mask_SQC.any(1), spare_block * block_size)
    write_slots_SQ = table_SM.gather(1, positions_SQ // block_size) * block_size + positions_SQ % block_size
    return Span(write_slots_SQ, slots_SC, mask_SQC)


def _blocks(num_blocks: int, positions_SQ: Tensor, window: int | None, block_size: int) -> Tensor:
    """Table entries that a layer reads, [S, M]; some may lie behind the last one."""
    num_sequences, num_rows = positions_SQ.shape
    if window is None:
        return torch.arange(num_blocks, device=positions_SQ.device).expand(num_sequences, -1)
    width = min(num_blocks, (window + num_rows + block_size - 3) // block_size + 1)
    first_S1 = (positions_SQ[:, :1] - window + 1).clamp(min=0) // block_size
    return first_S1 + torch.arange(width, device=positions_SQ.device)


def attend(q_SQNH: Tensor, cache: LayerCache, span: Span) -> Tensor:
    """What the rows' heads read, [S, Q, N, H]; the group's own K/V must be written already."""
    num_sequences, num_rows, num_heads, _ = q_SQNH.shape
    k, v = (_gather(x, span.read_slots_SC) for x in cache)
    entries_per_row = num_sequences * num_heads // k.shape[1] * k.shape[2]
    step = max(1, _MASK_ENTRIES // entries_per_row)
    parts = [
        _attend(q_SQNH[:, i : i + step], k, v, span.mask_SQC[:, i : i + step])
        for i in range(0, num_rows, step)
    ]
    return torch.cat(parts, dim=1)


def _gather(cache: Tensor, slots_SC: Tensor) -> Tensor:
    """[S, G, C, H], a view of one contiguous copy."""
    return cache.index_select(0, slots_SC.flatten()).unflatten(0, slots_SC.shape).transpose(1, 2)


def _attend(q_SQNH: Tensor, k_SGCH: Tensor, v_SGCH: Tensor, mask_SQC: Tensor) -> Tensor:
    """The query heads of a KV head become further rows, so that K/V are read once and never repeated."""
    num_rows, num_kv_heads = q_SQNH.shape[1], k_SGCH.shape[1]
    q = q_SQNH.unflatten(2, (num_kv_heads, -1)).permute(0, 2, 1, 3, 4)  # S G Q R H
    group = q.shape[3]
    mask = mask_SQC[:, None, :, None].expand(-1, -1, -1, group, -1).flatten(2, 3)
    out = scaled_dot_product_attention(q.flatten(2, 3), k_SGCH, v_SGCH, attn_mask=mask)
    return out.unflatten(2, (num_rows, group)).transpose(1, 2).flatten(2, 3)
