"""The shipped tokenizer and chat template, by which dialogues are rendered and read back."""

from importlib.resources import files
from pathlib import Path

import pytest

from flashstep.chat.template import ChatTemplate
from flashstep.chat.tokenizer import Tokenizer

_WEIGHTS = Path(str(files("flashstep") / "weights" / "flashstep-nano"))


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    """flashstep-nano's."""
    return Tokenizer.load(_WEIGHTS)


@pytest.fixture(scope="session")
def template(tokenizer) -> ChatTemplate:
    """flashstep-nano's, which is our own."""
    return ChatTemplate.load(_WEIGHTS, tokenizer)
