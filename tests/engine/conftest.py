"""A small vocabulary for tests of grammars."""

import pytest

from flashstep.chat.template import builtin_template
from flashstep.chat.tokenizer import Tokenizer
from flashstep.engine.grammar import CompiledGrammars
from flashstep.training.tokenizer import save_tokenizer, train_tokenizer
from naive.grammar_walk import vocabulary_of


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> Tokenizer:
    """At most 384 ids, the vocabulary of the toy model."""
    path = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(train_tokenizer(['{"name": "city", "x": 12}, true'] * 3, 330), path, builtin_template())
    return Tokenizer.load(path)


@pytest.fixture(scope="module")
def grammars(tokenizer) -> CompiledGrammars:
    return CompiledGrammars(vocabulary_of(tokenizer))
