"""One decoder layer: pre-norm attention, then pre-norm MLP or MoE, each added to the residual."""

from torch import Tensor, nn

from flashstep.model.attention import Attention
from flashstep.model.config import DenseSpec, LayerSpec
from flashstep.model.context import Context
from flashstep.model.mlp import MLP
from flashstep.model.moe import MoE
from flashstep.model.norm import RMSNorm


class Block(nn.Module):
    """A layer built from its `LayerSpec`."""

    def __init__(self, spec: LayerSpec, d_model: int, eps: float) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(d_model, eps)
        self.attention = Attention(spec, d_model, eps)
        self.mlp_norm = RMSNorm(d_model, eps)
        self.mlp = (
            MLP(d_model, spec.mlp.inner_dim, spec.mlp.swiglu_limit)
            if isinstance(spec.mlp, DenseSpec)
            else MoE(d_model, spec.mlp)
        )

    def forward(self, h: Tensor, context: Context) -> Tensor:
        """h: residual stream [B, T, D] -> the same shape."""
        h = h + self.attention(self.attention_norm(h), context)
        return h + self.mlp(self.mlp_norm(h))
