"""A model is evaluated behind an API: what is sent, what is read, and what a server may do wrong."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from flashstep.errors import BackendError, ConfigError, Overloaded
from flashstep.server.settings import ServerSettings
from flashstep.training.evaluation.endpoint import Endpoint
from flashstep.training.evaluation.turn import Prompt
from flashstep.types import Finish, Message, SamplingParams, Tool, ToolCall, Usage
from server.running_server import STRAWBERRY, PlayedModel, RunningServer, serving

GREEDY = SamplingParams(temperature=0.0, max_tokens=99)
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
TOOL = Tool("weather", "", {"type": "object"}, WEATHER)
CALL = ToolCall("call_7", "weather", {"city": "Zürich", "days": 2})
HISTORY = (
    Message("system", "Be brief."),
    Message("user", "Weather in Zürich?"),
    Message("assistant", "", reasoning="Look it up.", tool_calls=(CALL,)),
    Message("tool", '{"sky": "clear"}', tool_call_id="call_7"),
)


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with serving(PlayedModel(), ServerSettings()) as running:
        yield running


def asking(server: RunningServer, **options) -> Endpoint:
    return Endpoint(f"{server.url}/v1", "step-3.5-flash", GREEDY, lambda text: len(text.split()), **options)


def test_a_whole_conversation_arrives_and_the_turn_comes_back(server):
    with asking(server) as endpoint:
        [turn] = endpoint([Prompt(HISTORY, (TOOL,), seed=2**63 - 1)])
    assert turn.message == Message("assistant", "There are 3.", reasoning="s-t-r-a-w-b-e-r-r-y: three r.")
    assert (turn.reasoning_tokens, turn.is_whole) == (3, True)
    [call] = server.model.calls
    assert call.messages == HISTORY
    assert [tool.wire for tool in call.tools] == [WEATHER]
    assert (call.params.seed, call.params.temperature, call.params.max_tokens) == (2**63 - 1, 0.0, 99)


def test_turns_come_in_the_order_of_their_prompts_and_each_is_told(server):
    turns = []
    prompts = [Prompt((Message("user", str(i)),), (), i) for i in range(40)]
    with asking(server, concurrency=8, on_turn=lambda: turns.append(1)) as endpoint:
        assert len(endpoint(prompts)) == len(turns) == 40
    assert sorted(call.params.seed for call in server.model.calls) == list(range(40))


def test_a_cut_answer_is_not_whole(server):
    server.model.script = (*STRAWBERRY[:3], Finish("length", Usage(1, 1)))
    with asking(server) as endpoint:
        [turn] = endpoint([Prompt(HISTORY[:2], (), 0)])
    assert not turn.is_whole


def test_a_busy_server_is_asked_again_and_a_refusal_is_told(server, monkeypatch):
    waits = []
    monkeypatch.setattr(threading.Event, "wait", lambda self, seconds=None: waits.append(seconds))
    server.model.script = (Overloaded("full", retry_after_s=3.0),)
    with asking(server) as endpoint, pytest.raises(BackendError, match="no answer in 6 tries: 503 .*full"):
        endpoint([Prompt(HISTORY[:2], (), 0)])
    assert [seconds for seconds in waits if seconds == 3.0] == [3.0] * 5
    with asking(server) as endpoint, pytest.raises(BackendError, match="refused a question: 400 .*messages"):
        endpoint([Prompt((), (), 0)])


def test_a_server_that_is_not_there_is_told_at_once():
    with (
        Endpoint("http://127.0.0.1:9/v1", "m", GREEDY, len) as endpoint,
        pytest.raises(BackendError, match="cannot be reached .*is the server running"),
    ):
        endpoint([Prompt(HISTORY[:2], (), 0)])


@pytest.mark.parametrize("address", ["localhost:8000/v1", "", "http:///v1", "http://[::1/v1", "ftp://a/v1"])
def test_what_is_no_address_is_told_before_anything_is_asked(address):
    with pytest.raises(ConfigError, match="write it as in http://127.0.0.1:8000/v1"):
        Endpoint(address, "m", GREEDY, len)


class OddServer(ThreadingHTTPServer):
    """Answers every request with `body`."""

    body = b""
    keys: list[str | None] = []


class OddAnswer(BaseHTTPRequestHandler):
    server: OddServer

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.keys.append(self.headers["authorization"])
        self.send_response(200)
        self.send_header("content-length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def odd_endpoint(answer: object) -> Iterator[Endpoint]:
    """An endpoint whose server answers with this JSON, or with these bytes."""
    with OddServer(("127.0.0.1", 0), OddAnswer) as server:
        server.body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        threading.Thread(target=server.serve_forever).start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/v1"
            with Endpoint(url, "m", GREEDY, len, api_key="sk-1") as endpoint:
                yield endpoint
            assert server.keys == ["Bearer sk-1"]
        finally:
            server.shutdown()
            server.keys.clear()


@pytest.mark.parametrize("arguments", ["{", "[1]", '"x"'])
def test_arguments_that_are_no_object_are_text(arguments):
    call = {"id": "1", "function": {"name": "weather", "arguments": arguments}}
    message = {"role": "assistant", "content": None, "reasoning_content": "So.", "tool_calls": [call]}
    answer = {"choices": [{"message": message, "finish_reason": "tool_calls"}]}
    with odd_endpoint(answer) as endpoint:
        [turn] = endpoint([Prompt(HISTORY[:2], (), 0)])
    assert turn.message == Message("assistant", f"weather({arguments})", reasoning="So.")


NO_MESSAGE = {"choices": [{"message": None, "finish_reason": "stop"}]}
OTHERS = ({"object": "list"}, {"choices": []}, [], b"<html>", {"choices": [{}]}, NO_MESSAGE)


@pytest.mark.parametrize("answer", OTHERS, ids=str)
def test_an_answer_of_another_kind_is_told(answer):
    expected = "not an answer of a chat completions API|answered without JSON"
    with odd_endpoint(answer) as endpoint, pytest.raises(BackendError, match=expected):
        endpoint([Prompt(HISTORY[:2], (), 0)])
