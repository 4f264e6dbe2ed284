"""Grouped-query attention with QK norm, partial rotary and a head gate; full and sliding.

Shapes: B rows, T tokens, N query heads, G KV heads, H head width, D model width.
"""

from typing import NamedTuple, TypeGuard

import torch
from torch import Tensor, nn

from flashstep.model.config import LayerSpec, RopeSpec
from flashstep.model.norm import RMSNorm
from flashstep.model.precision import product_dtype
from flashstep.model.rope import rope_tables, rotate


class Context(NamedTuple):
    """What attention layers read about the tokens, computed once per forward pass.

    tables: cos and sin per kind of rotary embedding; masks: window -> True = may attend, bool [B, 1, T, T],
    or in blocks, [B * T / W, 1, W, 2 W], see `in_blocks`. Made by `make_context`.
    """

    tables: dict[RopeSpec, tuple[Tensor, Tensor]]
    masks: dict[int | None, Tensor]


def make_context(specs: tuple[LayerSpec, ...], positions_BT: Tensor, documents_BT: Tensor | None) -> Context:
    """Tables and masks for every kind of layer in `specs`.

    A token sees tokens of its own document (None: the row is one document) that are not
    later and, on sliding layers, fewer than `window` positions back: itself and window - 1
    before it.
    """
    tables = {spec.rope: rope_tables(spec.rope, positions_BT) for spec in specs}
    masks = {
        window: _block_mask(positions_BT, documents_BT, window)
        if in_blocks(positions_BT.shape[1], window)
        else _visible(positions_BT, positions_BT, documents_BT, documents_BT, window).unsqueeze(1)
        for window in {spec.window_tokens for spec in specs}
    }
    return Context(tables, masks)


def in_blocks(num_tokens: int, window: int | None) -> TypeGuard[int]:
    """True when a layer with this window attends block by block: W queries with the 2 W keys of their own
    block and the one before, which hold every key they may see. That is 2 W / T of the work."""
    return window is not None and num_tokens > 2 * window and num_tokens % window == 0


def _visible(
    queries: Tensor, keys: Tensor, query_docs: Tensor | None, key_docs: Tensor | None, window: int | None
) -> Tensor:
    """bool [..., Q, K] of positions [..., Q] and [..., K]: may the query see the key?"""
    distance = queries.unsqueeze(-1) - keys.unsqueeze(-2)
    visible = distance >= 0
    if window is not None:
        visible &= distance < window
    if query_docs is not None and key_docs is not None:
        visible &= query_docs.unsqueeze(-1) == key_docs.unsqueeze(-2)
    return visible


def _block_mask(positions_BT: Tensor, documents_BT: Tensor | None, window: int) -> Tensor:
    """The mask of attention in blocks; the first block of a row has nothing before it."""
    queries, keys = positions_BT.unflatten(1, (-1, window)), _with_previous(positions_BT, window)
    docs = None if documents_BT is None else documents_BT.unflatten(1, (-1, window))
    key_docs = None if documents_BT is None else _with_previous(documents_BT, window)
    visible = _visible(queries, keys, docs, key_docs, window)
    visible[:, 0, :, :window] = False
    return visible.flatten(0, 1).unsqueeze(1)


def _with_previous(x: Tensor, window: int) -> Tensor:
    """[B, T, ...] -> [B, T / W, 2 W, ...]: each block with the one before it (the last before the first)."""
    blocks = x.unflatten(1, (-1, window))
    return torch.cat([blocks.roll(1, dims=1), blocks], dim=2)


class Attention(nn.Module):
    """One attention block; query head j reads KV head j // (N / G)."""

    def __init__(self, spec: LayerSpec, d_model: int, eps: float) -> None:
        super().__init__()
        n, g, h = spec.num_q_heads, spec.num_kv_heads, spec.head_dim
        self.spec = spec
        self.q_proj = nn.Linear(d_model, n * h, bias=False)
        self.k_proj = nn.Linear(d_model, g * h, bias=False)
        self.v_proj = nn.Linear(d_model, g * h, bias=False)
        self.g_proj = nn.Linear(d_model, n, bias=False)
        self.o_proj = nn.Linear(n * h, d_model, bias=False)
        self.q_norm = RMSNorm(h, eps)
        self.k_norm = RMSNorm(h, eps)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """x: [B, T, D], already normed -> [B, T, D]."""
        spec = self.spec
        q, k, v = self.project(x, *context.tables[spec.rope])
        if in_blocks(x.shape[1], window := spec.window_tokens):
            q = q.unflatten(1, (-1, window)).flatten(0, 1)
            k, v = (_with_previous(each, window).flatten(0, 1) for each in (k, v))
        is_lowered = q.device.type == "cpu" and product_dtype(q) == torch.bfloat16
        out = (attend_by_products if is_lowered else attend)(q, k, v, context.masks[window])
        return self.output(x, out.reshape(*x.shape[:2], spec.num_q_heads, spec.head_dim))

    def project(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rotated queries [..., N, H], rotated keys and values [..., G, H] of normed rows x [..., D]."""
        h = self.spec.head_dim
        q = self.q_norm(self.q_proj(x).unflatten(-1, (-1, h)))
        k = self.k_norm(self.k_proj(x).unflatten(-1, (-1, h)))
        v = self.v_proj(x).unflatten(-1, (-1, h))
        return rotate(q, cos, sin), rotate(k, cos, sin), v

    def output(self, x: Tensor, heads: Tensor) -> Tensor:
        """Gate what each head attended to, heads [..., N, H], and project it: [..., D]."""
        # One scalar per head, from the layer's normed input, not from the attention output.
        return self.o_proj((heads * torch.sigmoid(self.g_proj(x)).unsqueeze(-1)).flatten(-2))


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Softmax attention of q [B, T, N, H] over k, v [B, K, G, H] where mask [B, 1, T, K] is True, like q."""
    group = q.shape[2] // k.shape[2]
    k, v = k.repeat_interleave(group, dim=2), v.repeat_interleave(group, dim=2)
    return nn.functional.scaled_dot_product_attention(
        q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), attn_mask=mask
    ).transpose(1, 2)


def attend_by_products(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """The same as `attend`, in bfloat16, as two batched products with all scores between them: on a CPU with
    instructions for bfloat16 two to three times as fast as torch's fused kernel, forward and backward."""
    b, t, n, h = q.shape
    g, dtype = k.shape[2], torch.bfloat16
    # Query heads that share a KV head are further rows of its product, so K and V are not repeated.
    q = (q * h**-0.5).to(dtype).unflatten(2, (g, -1)).permute(0, 2, 3, 1, 4).reshape(b * g, -1, h)
    k, v = (each.to(dtype).transpose(1, 2).reshape(b * g, -1, h) for each in (k, v))
    bias = torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, -torch.inf).unsqueeze(2)
    scores = (q @ k.mT).view(b, g, n // g, t, -1) + bias
    out = scores.softmax(-1).view(b * g, -1, scores.shape[-1]) @ v
    return out.view(b, n, t, h).transpose(1, 2)
