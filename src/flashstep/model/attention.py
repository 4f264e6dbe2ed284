"""Grouped-query attention with QK norm, partial rotary and a head gate; full and sliding.

Shapes: B rows, T tokens, N query heads, G KV heads, H head width, D model width.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from flashstep.model.config import LayerSpec, RopeSpec
from flashstep.model.norm import RMSNorm
from flashstep.model.rope import rope_tables, rotate


class Context(NamedTuple):
    """What attention layers read about the tokens, computed once per forward pass.

    tables: cos and sin per kind of rotary embedding; masks: window -> bool [B, 1, T, T], True = may
    attend. Made by `make_context`.
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
    distance = positions_BT.unsqueeze(-1) - positions_BT.unsqueeze(-2)
    visible = distance >= 0
    if documents_BT is not None:
        visible &= documents_BT.unsqueeze(-1) == documents_BT.unsqueeze(-2)
    masks: dict[int | None, Tensor] = {}
    for window in {spec.window_tokens for spec in specs}:
        mask = visible if window is None else visible & (distance < window)
        masks[window] = mask.unsqueeze(1)
    return Context(tables, masks)


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
        b, t, _ = x.shape
        q = self.q_norm(self.q_proj(x).view(b, t, spec.num_q_heads, spec.head_dim))
        k = self.k_norm(self.k_proj(x).view(b, t, spec.num_kv_heads, spec.head_dim))
        v = self.v_proj(x).view(b, t, spec.num_kv_heads, spec.head_dim)
        cos, sin = context.tables[spec.rope]
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        group = spec.num_q_heads // spec.num_kv_heads
        k, v = k.repeat_interleave(group, dim=2), v.repeat_interleave(group, dim=2)
        out = nn.functional.scaled_dot_product_attention(
            q.transpose(1, 2),
            k.transpose(1, 2),
            v.transpose(1, 2),
            attn_mask=context.masks[spec.window_tokens],
        ).transpose(1, 2)
        # One scalar per head, from the layer's normed input, not from the attention output.
        out = out * torch.sigmoid(self.g_proj(x)).unsqueeze(-1)
        return self.o_proj(out.reshape(b, t, -1))
