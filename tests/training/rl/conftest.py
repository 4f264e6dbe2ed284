"""A toy checkpoint with a tokenizer, from which runs of reinforcement learning start."""

import pytest
import torch

from flashstep.chat.template import builtin_template
from flashstep.model import presets
from flashstep.model.config import ModelConfig
from flashstep.model.init import init_weights
from flashstep.model.transformer import Transformer
from flashstep.model.weights import save_weights
from flashstep.training.tokenizer import save_tokenizer, train_tokenizer
from flashstep.training.tokenizer_corpus import tokenizer_corpus


@pytest.fixture(scope="session")
def toy_start(tmp_path_factory):
    """The folder of a random toy; its vocabulary is padded beyond the tokenizer's."""
    path = tmp_path_factory.mktemp("toy-start")
    save_tokenizer(train_tokenizer(tokenizer_corpus(200), 340), path, builtin_template())
    model = Transformer(ModelConfig.from_hf(presets.toy()))
    init_weights(model, 3)
    save_weights(model, path, torch.float32)
    return path
