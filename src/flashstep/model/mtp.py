"""Multi-token prediction: each module turns a hidden state and the next token into one more draft.

Module k at row t reads the previous module's PRE-norm hidden state of row t (module 1: the trunk's)
and token x_{t+k}; it predicts x_{t+k+1} with its own output head. Rows stay, tokens shift left:
for tokens [a b c d e], module 1 reads [b c d e -] and predicts [c d e - -]; module 2 reads
[c d e - -] and predicts [d e - - -].
"""

import torch
from torch import Tensor, nn

from flashstep.model.block import Block
from flashstep.model.config import LayerSpec, ModelConfig
from flashstep.model.context import Context
from flashstep.model.norm import RMSNorm


class MTPModule(nn.Module):
    """One module: fuse embedding and hidden (embedding first), one sliding dense layer, own head."""

    def __init__(self, spec: LayerSpec, config: ModelConfig) -> None:
        super().__init__()
        d, eps = config.d_model, config.norm_eps
        self.embedding_norm = RMSNorm(d, eps)
        self.hidden_norm = RMSNorm(d, eps)
        self.eh_proj = nn.Linear(2 * d, d, bias=False)
        self.layer = Block(spec, d, eps)
        self.norm = RMSNorm(d, eps)
        self.head = nn.Linear(d, config.vocab_size, bias=False)

    def forward(self, embedded: Tensor, hidden: Tensor, context: Context) -> Tensor:
        """embedded: token embeddings [B, T, D]; hidden: pre-norm states [B, T, D] -> pre-norm [B, T, D]."""
        return self.layer(self.fuse(embedded, hidden), context)

    def fuse(self, embedded: Tensor, hidden: Tensor) -> Tensor:
        """What the layer reads: embeddings and hidden states [..., D] -> [..., D]."""
        return self.eh_proj(torch.cat([self.embedding_norm(embedded), self.hidden_norm(hidden)], dim=-1))

    def logits(self, hidden: Tensor) -> Tensor:
        """This module's output for `forward`'s result: [..., V]."""
        return self.head(self.norm(hidden))
