"""All weight initialisation in one function."""

import math

import torch
from torch import nn

from flashstep.model.moe import Experts, Router
from flashstep.model.norm import RMSNorm
from flashstep.model.transformer import Transformer


@torch.no_grad()
def init_weights(model: Transformer, seed: int = 0) -> None:
    """Normal(0, 1/sqrt(fan_in)) for matrices, outputs into the residual stream scaled down by
    sqrt(2 * layers), zeros for norms (identity scale) and router bias, unit-scale embedding
    times 0.5. MTP modules get the same treatment.
    """
    generator = torch.Generator().manual_seed(seed)
    residual = 1.0 / math.sqrt(2 * len(model.config.layers))

    def fill(weight: torch.Tensor, gain: float = 1.0) -> None:
        weight.normal_(0.0, gain / math.sqrt(weight.shape[-1]), generator=generator)

    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            fill(module.weight, residual if name.endswith(("o_proj", "down_proj")) else 1.0)
        elif isinstance(module, Experts):
            fill(module.gate_proj)
            fill(module.up_proj)
            fill(module.down_proj, residual)
        elif isinstance(module, Router):
            fill(module.weight)
            if module.spec.has_router_bias:
                module.bias.zero_()
        elif isinstance(module, nn.Embedding):
            module.weight.normal_(0.0, 0.5, generator=generator)
        elif isinstance(module, RMSNorm):
            module.weight.zero_()
