"""A tokenizer of a few hundred tokens, and a checkpoint folder that a command can load."""

import shutil
from pathlib import Path

import pytest

from flashstep.chat.template import builtin_template
from flashstep.chat.tokenizer import Tokenizer
from flashstep.training.tokenizer import save_tokenizer, train_tokenizer


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tokenizer.json, tokenizer_config.json and chat_template.jinja; 300 tokens."""
    path = tmp_path_factory.mktemp("tokenizer")
    texts = ["how many letters does the word have", "the answer is 3", "user assistant system tool"]
    save_tokenizer(train_tokenizer(texts, 300), path, builtin_template())
    return path


@pytest.fixture(scope="session")
def tokenizer(tokenizer_folder: Path) -> Tokenizer:
    """The tokenizer of `tokenizer_folder`."""
    return Tokenizer.load(tokenizer_folder)


@pytest.fixture(scope="session")
def speaking_checkpoint(toy_checkpoint: Path, tokenizer_folder: Path, tmp_path_factory) -> Path:
    """The toy model with a tokenizer: it loads and answers, in nonsense."""
    path = tmp_path_factory.mktemp("speaking") / "toy"
    shutil.copytree(toy_checkpoint, path)
    shutil.copytree(tokenizer_folder, path, dirs_exist_ok=True)
    return path
