"""SwiGLU with the optional clamp of the last layers ("SwiGLU-step": clamp after SiLU)."""

import torch
from torch import Tensor, nn


def swiglu(gate: Tensor, up: Tensor, limit: float | None) -> Tensor:
    """silu(gate) * up, elementwise. With a limit, silu(gate) is bounded from above and up on
    both sides; SiLU's negative lobe is left alone.

    Limit 7: gate 8, up 1 -> 7.0; gate 10, up -9 -> -49.
    """
    activated = nn.functional.silu(gate)
    if limit is None:
        return activated * up
    return torch.clamp(activated, max=limit) * torch.clamp(up, -limit, limit)


class MLP(nn.Module):
    """down(swiglu(gate(x), up(x))) for dense layers and shared experts."""

    def __init__(self, d_model: int, inner_dim: int, limit: float | None) -> None:
        super().__init__()
        self.limit = limit
        self.gate_proj = nn.Linear(d_model, inner_dim, bias=False)
        self.up_proj = nn.Linear(d_model, inner_dim, bias=False)
        self.down_proj = nn.Linear(inner_dim, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., D]."""
        return self.down_proj(swiglu(self.gate_proj(x), self.up_proj(x), self.limit))
