"""Zero-centred RMSNorm: the stored weight is the offset from 1, so zeros mean identity."""

import torch
from torch import Tensor, nn


class RMSNorm(nn.Module):
    """Scale to unit root mean square over the last axis, times (1 + weight), in float32.

    The multiply happens in float32 before the single cast back to the input's dtype (Gemma
    ordering); casting the +1 into a bf16 weight would lose its low bits.
    """

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:
        """x: [..., dim] in any float dtype -> the same shape and dtype."""
        scale = self.weight.float() + 1.0
        return nn.functional.rms_norm(x.float(), scale.shape, scale, self.eps).to(x.dtype)
