"""The whole model: embed, layers, norm, head; and the chain of MTP modules on top.

Shapes: B rows, T tokens, D width, V vocabulary. No KV cache here: this is the meaning of the
architecture and what training runs; the engines hold caches.
"""

import torch
from torch import Tensor, nn

from flashstep.model.block import Block
from flashstep.model.config import ModelConfig
from flashstep.model.context import make_context
from flashstep.model.mtp import MTPModule
from flashstep.model.norm import RMSNorm


class Transformer(nn.Module):
    """Step-3.5. Parameters are uninitialised until `init_weights` or `load_weights`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.layers = nn.ModuleList(Block(spec, config.d_model, config.norm_eps) for spec in config.layers)
        self.norm = RMSNorm(config.d_model, config.norm_eps)
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        self.mtp = nn.ModuleList(MTPModule(spec, config) for spec in config.mtp)

    def forward(
        self,
        tokens: Tensor,
        positions: Tensor | None = None,
        documents: Tensor | None = None,
        prefixes: Tensor | None = None,
    ) -> Tensor:
        """tokens: int64 [B, T] -> PRE-norm hidden states [B, T, D] (what `logits` and MTP read).

        positions: int64 [B, T], default 0, 1, 2 ...; documents: int64 [B, T], tokens of different
        documents do not see each other; prefixes: int64 [B, T], the document that a token's own continues
        and sees.
        """
        context = make_context(self.config.layers, self._positions(tokens, positions), documents, prefixes)
        h = self.embedding(tokens)
        for layer in self.layers:
            h = layer(h, context)
        return h

    def logits(self, hidden: Tensor) -> Tensor:
        """Pre-norm hidden [..., D] -> logits [..., V]."""
        return self.lm_head(self.norm(hidden))

    def draft_hidden(
        self,
        tokens: Tensor,
        hidden: Tensor,
        positions: Tensor | None = None,
        documents: Tensor | None = None,
        depth: int | None = None,
    ) -> list[Tensor]:
        """Pre-norm outputs [B, T, D] of the first `depth` MTP modules (default all), teacher-forced.

        tokens: the same [B, T] as for `forward`, hidden: its result. The last k rows of module k
        have no true token to read and are meaningless; so are rows whose token lies in the next
        document. Module k's logits at row t predict tokens[t + k + 1].
        """
        modules = list(self.mtp)[:depth]
        context = make_context(self.config.mtp[: len(modules)], self._positions(tokens, positions), documents)
        outputs = []
        for module in modules:
            tokens = torch.roll(tokens, -1, dims=1)
            hidden = module(self.embedding(tokens), hidden, context)
            outputs.append(hidden)
        return outputs

    @staticmethod
    def _positions(tokens: Tensor, positions: Tensor | None) -> Tensor:
        if positions is not None:
            return positions
        return torch.arange(tokens.shape[1], device=tokens.device).expand_as(tokens)
