"""A checkpoint folder with a tokenizer."""

import shutil
from pathlib import Path

import pytest

from flashstep.chat.template import builtin_template
from flashstep.training.tokenizer import save_tokenizer, train_tokenizer


@pytest.fixture(scope="session")
def speaking_model(toy_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy model with a tokenizer of 300 tokens."""
    path = tmp_path_factory.mktemp("speaking") / "toy"
    shutil.copytree(toy_checkpoint, path)
    save_tokenizer(train_tokenizer(["how many letters does the word have"], 300), path, builtin_template())
    return path
