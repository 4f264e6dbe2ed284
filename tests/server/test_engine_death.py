"""The engine dies under running streams: everyone is told, and the service comes back by itself."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from flashstep.backends.chat_model import ChatModel
from flashstep.backends.embedded import EmbeddedBackend
from flashstep.backends.supervised import SupervisedBackend
from flashstep.chat.template import ChatTemplate, builtin_template
from flashstep.chat.tokenizer import Tokenizer
from flashstep.engine.async_engine import AsyncEngine
from flashstep.engine.engine import Engine
from flashstep.server.settings import ServerSettings
from flashstep.training.tokenizer import save_tokenizer, train_tokenizer
from naive.runner import FakeRunner
from server.running_server import ask, serving


class MortalRunner(FakeRunner):
    """A runner whose next pass fails once it has been told to die; slow enough that no stream ends
    before all have begun."""

    dies = False

    def forward(self, batch):
        time.sleep(0.005)
        if self.dies:
            raise FloatingPointError("the weights are damaged")
        return super().forward(batch)


class Maker:
    """Makes engines, the first one at once, later ones when `gate` is open."""

    def __init__(self, config, eos):
        self.config, self.eos, self.runners, self.gate = config, eos, [], threading.Event()
        self.gate.set()

    def __call__(self):
        self.gate.wait()
        self.runners.append(MortalRunner(self.config, num_full_blocks=400))
        engine = Engine(self.runners[-1], num_valid_tokens=300)
        return EmbeddedBackend(AsyncEngine(engine, max_live=16), model_name="toy", max_concurrency=8)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(train_tokenizer(["there are three"], 300), path, builtin_template())
    return Tokenizer.load(path)


def read_until_death(url, on_first):
    """The last data line of a stream, as JSON; `on_first` is called with the first one."""
    body = ask(stream=True, ignore_eos=True, repetition_guard=False, max_tokens=400)
    last = None
    with httpx.stream("POST", f"{url}/v1/chat/completions", json=body, timeout=20) as response:
        assert response.status_code == 200
        for line in response.iter_lines():
            if line.startswith("data: {"):
                if last is None:
                    on_first()
                last = json.loads(line[6:])
    return last


def wait_for(url, status):
    """Returns as soon as /ready has this status."""
    for _ in range(1000):
        if httpx.get(f"{url}/ready", timeout=20).status_code == status:
            return
        time.sleep(0.01)
    pytest.fail(f"/ready never became {status}")


def test_open_streams_get_an_error_ready_says_so_and_the_engine_is_started_again(toy_config, tokenizer):
    make = Maker(toy_config, tokenizer)
    backend = SupervisedBackend(make)
    model = ChatModel(backend, tokenizer, ChatTemplate(builtin_template(), tokenizer), frozenset())

    def kill():
        make.gate.clear()
        make.runners[0].dies = True

    all_begun = threading.Barrier(4, action=kill, timeout=20)
    with serving(model, ServerSettings()) as server, ThreadPoolExecutor(4) as pool:
        wait_for(server.url, 200)
        ends = list(pool.map(lambda _: read_until_death(server.url, all_begun.wait), range(4)))
        for last in ends:
            assert "the weights are damaged" in last["error"]["message"]
            assert len(last["error"]["trace_id"]) == 32
        wait_for(server.url, 503)
        refused = server.post(ask())
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert "started again" in refused.json()["error"]["message"]
        make.gate.set()
        wait_for(server.url, 200)
        assert server.post(ask(max_tokens=5)).status_code == 200
    assert backend.num_restarts == backend.stats().num_restarts == 1
    model.close()
