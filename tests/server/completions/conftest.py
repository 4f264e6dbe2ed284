"""A server over the real engine with a toy checkpoint, and one over prepared text."""

import shutil
from collections.abc import Iterator

import pytest

from flashstep.backends.chat_model import ChatModel
from flashstep.backends.scripted import ScriptedBackend
from flashstep.chat.template import ChatTemplate, builtin_template
from flashstep.chat.tokenizer import Tokenizer
from flashstep.engine.config import EngineConfig
from flashstep.server.settings import ServerSettings
from flashstep.training.tokenizer import save_tokenizer, train_tokenizer
from server.running_server import RunningServer, serving


@pytest.fixture(scope="session")
def completion_folder(tmp_path_factory):
    """A tokenizer with its template and at most 384 ids."""
    path = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(train_tokenizer(["strawberry has three r s"] * 3, 300), path, builtin_template())
    return path


@pytest.fixture(scope="session")
def completion_tokenizer(completion_folder) -> Tokenizer:
    return Tokenizer.load(completion_folder)


@pytest.fixture(scope="session")
def toy_model(toy_checkpoint, completion_folder, tmp_path_factory) -> Iterator[ChatModel]:
    """Random weights on the real engine."""
    folder = tmp_path_factory.mktemp("model") / "flashstep-nano"
    shutil.copytree(toy_checkpoint, folder)
    shutil.copytree(completion_folder, folder, dirs_exist_ok=True)
    config = EngineConfig(num_threads=1, weight_format="float32", num_draft_tokens=0)
    model = ChatModel.load(folder, config)
    yield model
    model.close()


@pytest.fixture(scope="session")
def toy_server(toy_model) -> Iterator[RunningServer]:
    with serving(toy_model, ServerSettings()) as server:
        yield server


@pytest.fixture
def played(completion_tokenizer):
    """A chat model that plays answers: `model, backend = played([...])`."""

    def make(answers, **options) -> tuple[ChatModel, ScriptedBackend]:
        backend = ScriptedBackend(completion_tokenizer, answers, model_name="flashstep-nano", **options)
        template = ChatTemplate(builtin_template(), completion_tokenizer)
        return ChatModel(backend, completion_tokenizer, template, frozenset()), backend

    return make
