"""What attention layers read about the tokens: rotary tables, and who sees whom.

Shapes: B rows, T tokens, W window, K keys of a block. Sliding layers attend block by block: W queries with
the 2 W keys of their own block and the one before, which hold every key that they may see; 2 W / T of the
work. Where documents continue others (`training/sharing.py`), the last W keys of the one that is continued
come first.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeGuard

import torch
from torch import Tensor

from flashstep.model.config import LayerSpec, RopeSpec
from flashstep.model.rope import rope_tables


class Context(NamedTuple):
    """Computed once per forward pass by `make_context`.

    tables: cos and sin per kind of rotary embedding; masks: window -> True = may attend, bool [B, 1, T, T],
    or in blocks [B * T / W, 1, W, K]; tails: window -> which token, in its row, each key is that comes first
    in its block, int64 [B, T]; only where documents continue others.
    """

    tables: dict[RopeSpec, tuple[Tensor, Tensor]]
    masks: dict[int | None, Tensor]
    tails: dict[int, Tensor]


class Tokens(NamedTuple):
    """Of queries or keys, in one shape: position, document, and the document that this continues (its own
    number when none)."""

    positions: Tensor
    documents: Tensor
    prefixes: Tensor

    def map(self, change: Callable[[Tensor], Tensor]) -> "Tokens":
        """All three changed alike."""
        return Tokens(*map(change, self))


def make_context(
    specs: tuple[LayerSpec, ...], positions_BT: Tensor, documents_BT: Tensor | None,
    prefixes_BT: Tensor | None = None,
) -> Context:  # fmt: skip
    """Tables and masks for every kind of layer in `specs`.

    A token sees tokens of its own document (None: the row is one document) and of the one that this continues
    (prefixes_BT: its number; None: none is continued) that are not later and, on sliding layers, fewer than
    `window` positions back: itself and window - 1 before it.
    """
    tables = {spec.rope: rope_tables(spec.rope, positions_BT) for spec in specs}
    if documents_BT is None:
        documents_BT = torch.zeros_like(positions_BT)
    tokens = Tokens(positions_BT, documents_BT, documents_BT if prefixes_BT is None else prefixes_BT)
    masks: dict[int | None, Tensor] = {}
    tails: dict[int, Tensor] = {}
    for window in {spec.window_tokens for spec in specs}:
        if in_blocks(window, positions_BT.shape[1]):
            if prefixes_BT is not None:
                tails[window] = _tails(tokens, window)
            masks[window] = _block_mask(tokens, window, tails.get(window))
        else:
            masks[window] = _visible(tokens, tokens, window).unsqueeze(1)
    return Context(tables, masks, tails)


def in_blocks(window: int | None, num_tokens: int) -> TypeGuard[int]:
    """True when a layer with this window attends block by block."""
    return window is not None and num_tokens > 2 * window and num_tokens % window == 0


def key_blocks(x: Tensor, window: int, tails_BT: Tensor | None) -> Tensor:
    """Keys or values [B, T, ...] -> [B * T / W, K, ...]: each block with the one before it (the last before
    the first) and, in front of them, its tail."""
    blocks = x.unflatten(1, (-1, window))
    parts = [blocks.roll(1, dims=1), blocks]
    if tails_BT is not None:
        first = torch.arange(x.shape[0], device=x.device).unsqueeze(1) * x.shape[1]
        # index_select: on the CPU the backward of indexing adds in the order in which threads arrive.
        tail = x.flatten(0, 1).index_select(0, (first + tails_BT).flatten())
        parts.insert(0, tail.view_as(blocks))
    return torch.cat(parts, dim=2).flatten(0, 1)


def _visible(queries: Tokens, keys: Tokens, window: int | None) -> Tensor:
    """bool [..., Q, K]: may the query see the key?"""
    # Compared, not subtracted: differences would take eight bytes a pair, gigabytes for long rows.
    visible = queries.positions.unsqueeze(-1) >= keys.positions.unsqueeze(-2)
    if window is not None:
        visible &= (queries.positions - window).unsqueeze(-1) < keys.positions.unsqueeze(-2)
    owners = keys.documents.unsqueeze(-2)
    return visible & (
        (queries.documents.unsqueeze(-1) == owners) | (queries.prefixes.unsqueeze(-1) == owners)
    )


def _block_mask(tokens: Tokens, window: int, tails_BT: Tensor | None) -> Tensor:
    """The mask of attention in blocks. The first block of a row has nothing before it; a token that is in the
    tail and in the block before is seen once."""
    queries = tokens.map(lambda x: x.unflatten(1, (-1, window)))
    keys = tokens.map(lambda x: key_blocks(x, window, tails_BT).unflatten(0, (x.shape[0], -1)))
    visible = _visible(queries, keys, window)
    visible[:, 0, :, -2 * window : -window] = False
    if tails_BT is not None:
        num_before = torch.arange(visible.shape[1], device=visible.device).view(1, -1, 1, 1) - 1
        is_further = tails_BT.unflatten(1, (-1, window)).unsqueeze(2) < num_before * window
        visible[..., :window] &= is_further
    return visible.flatten(0, 1).unsqueeze(1)


def _tails(tokens: Tokens, window: int) -> Tensor:
    """Of each block the W tokens that end what a document in it continues. There is one such document at
    most, or what it continues would lie between two of them and be shorter than a block."""
    continued = torch.where(tokens.prefixes == tokens.documents, -1, tokens.prefixes)
    wanted = continued.unflatten(1, (-1, window)).amax(-1, keepdim=True)
    index = torch.arange(continued.shape[1], device=continued.device)
    last = torch.where(tokens.documents.unsqueeze(1) == wanted, index, -1).amax(-1, keepdim=True)
    return (last + torch.arange(1 - window, 1, device=index.device)).clamp_(min=0).flatten(1)
