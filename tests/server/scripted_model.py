"""A ChatModel that answers what a test wrote down: real template, decoding and parsing, no weights."""

import tempfile
from functools import cache
from pathlib import Path

from flashstep.backends.chat_model import ChatModel
from flashstep.backends.scripted import ScriptedBackend
from flashstep.chat.template import ChatTemplate, builtin_template
from flashstep.chat.tokenizer import Tokenizer
from flashstep.training.tokenizer import save_tokenizer, train_tokenizer


@cache
def small_tokenizer() -> Tokenizer:
    """A few hundred tokens, among them the control tokens of the architecture."""
    with tempfile.TemporaryDirectory() as folder:
        save_tokenizer(train_tokenizer(["there are three"], 400), Path(folder), builtin_template())
        return Tokenizer.load(Path(folder))


def scripted(*answers: str, **options: object) -> tuple[ChatModel, ScriptedBackend]:
    """A model that gives `answers` in turn, and its backend, which knows what was asked."""
    tokenizer = small_tokenizer()
    backend = ScriptedBackend(tokenizer, answers, model_name="flashstep-nano", **options)
    template = ChatTemplate(builtin_template(), tokenizer)
    return ChatModel(backend, tokenizer, template, frozenset()), backend
