"""The policy: how likely the trainer's model finds the sampled tokens, and its weights for the engine.

Temperature 1 and no filters, as rollouts are sampled. Shapes: M target tokens, V valid tokens.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flashstep.model.config import ModelConfig
from flashstep.model.names import TensorSpec
from flashstep.model.transformer import Transformer
from flashstep.training.packing import Rows


class ModelTensors:
    """The weights of a model in training as the engine reads those of a checkpoint, in float32."""

    def __init__(self, model: Transformer) -> None:
        self.config: ModelConfig = model.config
        self._model = model

    def float32(self, spec: TensorSpec) -> NDArray[np.float32]:
        """A copy of one tensor."""
        parameter = self._model.get_parameter(spec.path).detach()
        values: NDArray[np.float32] = parameter.float().reshape(spec.shape).numpy().copy()
        return values


def log_probabilities(model: Transformer, rows: Rows, index_M: Tensor, num_valid_tokens: int) -> Tensor:
    """Natural-log probabilities [M, V] at the flat row indices `index_M`; ids from `num_valid_tokens` on are
    padding, which the engine never chooses."""
    hidden = model(rows.tokens_BT, rows.positions_BT, rows.documents_BT, rows.prefixes_BT)
    logits_MV = model.logits(hidden.flatten(0, 1).index_select(0, index_M)).float()
    return logits_MV[:, :num_valid_tokens].log_softmax(-1)


def chosen(logprobs_MV: Tensor, wanted_M: Tensor) -> Tensor:
    """The log-probabilities [M] of the tokens `wanted_M`."""
    return logprobs_MV.gather(1, wanted_M[:, None]).squeeze(1)


def entropy(logprobs_MV: Tensor) -> Tensor:
    """Entropy of each distribution, in nats, [M]."""
    return torch.special.entr(logprobs_MV.exp()).sum(-1)
