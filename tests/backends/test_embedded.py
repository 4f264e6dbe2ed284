"""The engine of this package behind the backend interface, and a checkpoint folder end to end."""

import asyncio
import shutil

import pytest

from flashstep.backends.chat_model import ChatModel
from flashstep.backends.embedded import EmbeddedBackend
from flashstep.chat.fold import fold
from flashstep.engine.async_engine import AsyncEngine
from flashstep.engine.config import EngineConfig
from flashstep.engine.engine import Engine
from flashstep.errors import ConfigError, EngineDead
from flashstep.types import Finish, Message, Request, SamplingParams
from naive.generate import generate
from naive.runner import FakeRunner

ASK = [Message("user", "how many r s?")]


@pytest.fixture
def checkpoint(toy_checkpoint, tokenizer_folder, tmp_path):
    """The toy checkpoint with a tokenizer: random answers, complete folder."""
    folder = tmp_path / "toy-model"
    shutil.copytree(toy_checkpoint, folder)
    shutil.copytree(tokenizer_folder, folder, dirs_exist_ok=True)
    return folder


def ask(model, **params):
    """All events of one answer."""

    async def collect():
        wishes = SamplingParams(**{"temperature": 0.0, "max_tokens": 12, **params})
        return [event async for event in model.chat(ASK, (), wishes, trace_id="t", request_id="r")]

    return asyncio.run(collect())


def test_an_embedded_backend_answers_like_its_engine(toy_config):
    engine = Engine(FakeRunner(toy_config), num_draft_tokens=3)
    backend = EmbeddedBackend(AsyncEngine(engine, max_live=4), model_name="toy")
    request = Request("a", "t", (5, 6, 7), SamplingParams(temperature=0, max_tokens=20), frozenset({1, 2, 7}))

    async def collect():
        return [output async for output in backend.generate(request)]

    outputs = asyncio.run(collect())
    token_ids = [token_id for output in outputs for token_id in output.token_ids]
    assert (token_ids, outputs[-1].finish_reason) == generate(request, vocab_size=384, window=5)
    assert (backend.model_name, backend.context_length) == ("toy", 800)
    assert backend.is_healthy()
    backend.close()
    assert not backend.is_healthy()
    with pytest.raises(EngineDead):
        asyncio.run(collect())


def test_a_checkpoint_folder_becomes_a_model_that_answers_with_and_without_drafts(checkpoint):
    lines = []
    answers = []
    for num_draft_tokens in (0, 3):
        config = EngineConfig(num_threads=1, weight_format="float32", num_draft_tokens=num_draft_tokens)
        model = ChatModel.load(checkpoint, config, lines.append)
        events = ask(model)
        assert model.model_name == "toy-model"
        assert model.context_length == 8192
        model.close()
        finish = events[-1]
        assert isinstance(finish, Finish)
        assert finish.reason in ("stop", "length")
        answers.append(fold(events))
    assert answers[0] == answers[1]
    assert answers[0].content or answers[0].reasoning
    assert any("toy-model" in line for line in lines)


def test_only_ids_that_the_tokenizer_knows_are_generated(checkpoint, tokenizer):
    model = ChatModel.load(checkpoint, EngineConfig(num_threads=1, weight_format="float32"))
    events = ask(model, temperature=2.0, seed=1, max_tokens=200)
    model.close()
    assert tokenizer.vocab_size < 384
    assert events[-1].reason in ("stop", "length")


@pytest.mark.parametrize("missing", ["tokenizer.json", "config.json", "model.safetensors"])
def test_an_incomplete_folder_is_refused_by_the_name_of_what_is_missing(checkpoint, missing):
    (checkpoint / missing).unlink()
    with pytest.raises(ConfigError, match=missing.split(".")[0]):
        ChatModel.load(checkpoint, EngineConfig(num_threads=1))
