"""Rotary position embedding: rotate-half form on the first `dim` channels of each head.

Full layers rotate half of the head at theta 5e6 with llama3 frequency scaling (the vendor's
"YaRN x2": same interpolation, no attention temperature), sliding layers the whole head at 1e4.
"""

import math

import torch
from torch import Tensor

from flashstep.model.config import RopeSpec


def inverse_frequencies(rope: RopeSpec) -> Tensor:
    """Angle per position of each channel pair, float32 [dim / 2].

    theta^(-2j/dim); with llama3 scaling, wavelengths beyond `original / low` are divided by
    `factor`, those below `original / high` are kept, the band between is interpolated.
    """
    inv = torch.tensor([rope.theta ** (-2 * j / rope.dim) for j in range(rope.dim // 2)], dtype=torch.float64)
    if rope.scaling is not None:
        s = rope.scaling
        turns = s.original_max_positions * inv / (2 * math.pi)  # = original / wavelength
        keep = ((turns - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor)).clamp(0, 1)
        inv = (1 - keep) * inv / s.factor + keep * inv
    return inv.float()


def rope_tables(rope: RopeSpec, positions: Tensor) -> tuple[Tensor, Tensor]:
    """cos and sin in float32 for integer `positions` [...]: each [..., dim / 2].

    Angles are formed in float64: at position 262144 a float32 product is off by 1e-2 rad.
    """
    return angle_tables(inverse_frequencies(rope).to(positions.device), positions)


def angle_tables(inverse: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    """`rope_tables` for `inverse_frequencies` that lie on the device of `positions` already."""
    angles = positions.double().unsqueeze(-1) * inverse.double()
    return angles.cos().float(), angles.sin().float()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate channel pairs (j, j + dim/2); channels from dim on pass through.

    x: [B, T, heads, H]; cos, sin: [B, T, dim/2] (or [T, dim/2]) float32. Computed in float32,
    cast once. With dim 4 and H 6, channels (0, 2) and (1, 3) turn, 4 and 5 stay.
    """
    half = cos.shape[-1]
    cos, sin = cos.unsqueeze(-2), sin.unsqueeze(-2)
    x1, x2 = x[..., :half].float(), x[..., half : 2 * half].float()
    turned = torch.cat([x1 * cos - x2 * sin, x2 * cos + x1 * sin], dim=-1).to(x.dtype)
    return turned if 2 * half == x.shape[-1] else torch.cat([turned, x[..., 2 * half :]], dim=-1)
