"""A small tokenizer with its template, in a folder and loaded."""

import pytest

from flashstep.chat.template import ChatTemplate, builtin_template
from flashstep.chat.tokenizer import Tokenizer
from flashstep.training.tokenizer import save_tokenizer, train_tokenizer


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory):
    """tokenizer.json, tokenizer_config.json and chat_template.jinja with at most 384 ids."""
    path = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(train_tokenizer(["strawberry has three r s"] * 3, 300), path, builtin_template())
    return path


@pytest.fixture(scope="session")
def tokenizer(tokenizer_folder) -> Tokenizer:
    """The loaded tokenizer."""
    return Tokenizer.load(tokenizer_folder)


@pytest.fixture(scope="session")
def template(tokenizer_folder, tokenizer) -> ChatTemplate:
    """The template of that folder."""
    return ChatTemplate.load(tokenizer_folder, tokenizer)
