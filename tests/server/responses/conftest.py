"""A server over scripted answers: template, decoding, tool parser and HTTP together."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import openai
import pytest

from flashstep.backends.chat_model import ChatModel
from flashstep.backends.scripted import ScriptedBackend
from flashstep.chat.template import ChatTemplate, builtin_template
from flashstep.chat.tokenizer import Tokenizer
from flashstep.server.settings import ServerSettings
from flashstep.training.tokenizer import save_tokenizer, train_tokenizer
from server.running_server import RunningServer, serving


@pytest.fixture(scope="session")
def small_tokenizer(tmp_path_factory) -> Tokenizer:
    """A small tokenizer with the control tokens of the architecture."""
    path = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(train_tokenizer(["there are three"], 400), path, builtin_template())
    return Tokenizer.load(path)


@dataclass
class Scripted:
    """A running server with its backend; `prompts` are the texts that the model was given."""

    server: RunningServer
    client: openai.OpenAI
    backend: ScriptedBackend
    tokenizer: Tokenizer

    @property
    def prompts(self) -> list[str]:
        return [self.tokenizer.decode(list(r.prompt_token_ids)) for r in self.backend.requests]


@pytest.fixture
def scripted(small_tokenizer):
    """Serve scripted answers: `with scripted([...]) as service`."""

    @contextmanager
    def serve(answers, settings: ServerSettings | None = None, **options) -> Iterator[Scripted]:
        options = {"model_name": "flashstep-nano", "context_length": 20_000, "tokens_per_output": 3} | options
        backend = ScriptedBackend(small_tokenizer, answers, **options)
        template = ChatTemplate(builtin_template(), small_tokenizer)
        model = ChatModel(backend, small_tokenizer, template, frozenset())
        with serving(model, settings or ServerSettings()) as server, server.openai() as client:
            yield Scripted(server, client, backend, small_tokenizer)

    return serve
