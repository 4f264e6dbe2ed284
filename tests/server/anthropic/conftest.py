"""A server over scripted answers, and Anthropic's own client of it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import anthropic
import pytest

from flashstep.backends.chat_model import ChatModel
from flashstep.backends.scripted import ScriptedBackend
from flashstep.chat.template import ChatTemplate, builtin_template
from flashstep.chat.tokenizer import Tokenizer
from flashstep.server.settings import ServerSettings
from flashstep.training.tokenizer import save_tokenizer, train_tokenizer
from server.running_server import RunningServer, serving


@dataclass
class Scripted:
    """A running server, the backend below it and a client."""

    server: RunningServer
    backend: ScriptedBackend
    client: anthropic.Anthropic
    tokenizer: Tokenizer

    @property
    def prompts(self) -> list[str]:
        """The prompts that arrived, as text."""
        return [self.tokenizer.decode(list(request.prompt_token_ids)) for request in self.backend.requests]


Script = Callable[..., AbstractContextManager[Scripted]]


def client_of(server: RunningServer, base_path: str = "") -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=server.url + base_path, api_key="none", max_retries=0, timeout=20)


@pytest.fixture(scope="session")
def messages_tokenizer(tmp_path_factory) -> Tokenizer:
    """A small tokenizer with the control tokens of the architecture."""
    path = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(train_tokenizer(["there are three"], 400), path, builtin_template())
    return Tokenizer.load(path)


@pytest.fixture
def scripted(messages_tokenizer) -> Script:
    """Serve scripted answers: `with scripted([...]) as served`."""

    @contextmanager
    def serve(answers, settings: ServerSettings | None = None, **options) -> Iterator[Scripted]:
        options = {"context_length": 20_000, **options}
        backend = ScriptedBackend(messages_tokenizer, answers, model_name="flashstep-nano", **options)
        template = ChatTemplate(builtin_template(), messages_tokenizer)
        model = ChatModel(backend, messages_tokenizer, template, frozenset())
        with serving(model, settings or ServerSettings()) as server, client_of(server) as client:
            yield Scripted(server, backend, client, messages_tokenizer)

    return serve


@pytest.fixture
def client(server: RunningServer) -> Iterator[anthropic.Anthropic]:
    """A client of the shared server, whose model plays `server.model.script`."""
    with client_of(server) as client:
        yield client
