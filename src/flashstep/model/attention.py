"""Grouped-query attention with QK norm, partial rotary and a head gate; full and sliding.

Shapes: B rows, T tokens, N query heads, G KV heads, H head width, D model width.
"""

import torch
from torch import Tensor, nn

from flashstep.model.config import LayerSpec
from flashstep.model.context import Context, in_blocks, key_blocks
from flashstep.model.norm import RMSNorm
from flashstep.model.precision import product_dtype
from flashstep.model.rope import rotate


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
        window = spec.window_tokens
        if in_blocks(window, x.shape[1]):
            q = q.unflatten(1, (-1, window)).flatten(0, 1)
            tails = context.tails.get(window)
            k, v = key_blocks(k, window, tails), key_blocks(v, window, tails)
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
