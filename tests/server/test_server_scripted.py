"""The service over `ChatModel` and the scripted backend: template, decoding and HTTP together."""

import json
import time

import openai
import pytest

from flashstep.backends.chat_model import ChatModel
from flashstep.backends.scripted import ScriptedBackend
from flashstep.chat.template import ChatTemplate, builtin_template
from flashstep.chat.tokenizer import Tokenizer
from flashstep.errors import Overloaded
from flashstep.server.settings import ServerSettings
from flashstep.training.tokenizer import save_tokenizer, train_tokenizer
from server.running_server import RunningServer, ask, serving

STRAWBERRY = "s, t, r: one. Two more follow.\n</think>\nThere are 3 r."
CALL = (
    "I need the weather.\n</think>\n<tool_call>\n<function=weather>\n<parameter=city>\nParis\n</parameter>\n"
    "</function>\n</tool_call>"
)
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
TIMEOUT_S = 10


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> Tokenizer:
    """A small tokenizer with the control tokens of the architecture."""
    path = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(train_tokenizer(["there are three"], 400), path, builtin_template())
    return Tokenizer.load(path)


@pytest.fixture
def scripted(tokenizer):
    """Serve scripted answers: `with scripted([...]) as (server, backend)`."""

    def chat_model(answers, **options) -> tuple[ChatModel, ScriptedBackend]:
        backend = ScriptedBackend(tokenizer, answers, model_name="flashstep-nano", **options)
        template = ChatTemplate(builtin_template(), tokenizer)
        return ChatModel(backend, tokenizer, template, frozenset()), backend

    return chat_model


def test_reasoning_and_answer_are_told_apart_in_both_forms(scripted):
    model, backend = scripted([STRAWBERRY])
    with serving(model, ServerSettings()) as server:
        whole = server.openai().chat.completions.create(**ask())
        with server.openai().chat.completions.stream(**ask()) as stream:
            streamed = stream.get_final_completion()
    for answer in (whole, streamed):
        assert answer.choices[0].message.content == "There are 3 r."
        assert answer.choices[0].finish_reason == "stop"
    assert whole.choices[0].message.reasoning == "s, t, r: one. Two more follow."
    assert whole.usage.completion_tokens_details.reasoning_tokens > 0
    assert [request.trace_id for request in backend.requests] == [whole.trace_id, streamed.trace_id]


def test_a_tool_call_round_trip(scripted):
    model, _ = scripted([CALL, STRAWBERRY])
    with serving(model, ServerSettings()) as server:
        client = server.openai()
        messages = [{"role": "user", "content": "weather?"}]
        first = client.chat.completions.create(model="flashstep-nano", messages=messages, tools=[WEATHER])
        [call] = first.choices[0].message.tool_calls
        messages += [
            first.choices[0].message.model_dump(),
            {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
        ]
        second = client.chat.completions.create(model="flashstep-nano", messages=messages, tools=[WEATHER])
    assert first.choices[0].finish_reason == "tool_calls"
    assert json.loads(call.function.arguments) == {"city": "Paris"}
    assert second.choices[0].message.content == "There are 3 r."


def test_max_tokens_cuts_the_answer_with_length(scripted):
    model, _ = scripted([STRAWBERRY])
    with serving(model, ServerSettings()) as server:
        answer = server.openai().chat.completions.create(**ask(max_tokens=3))
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 3


def test_a_stop_string_ends_the_answer_and_is_not_returned(scripted):
    model, _ = scripted([STRAWBERRY])
    with serving(model, ServerSettings()) as server:
        answer = server.openai().chat.completions.create(**ask(stop=" r."))
    assert answer.choices[0].message.content == "There are 3"
    assert answer.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_conversation_that_does_not_fit_is_a_400_with_the_code_agents_look_for(scripted, stream):
    model, _ = scripted([STRAWBERRY], context_length=20)
    body = ask(messages=[{"role": "user", "content": "x " * 200}])
    with serving(model, ServerSettings()) as server, pytest.raises(openai.BadRequestError) as raised:
        server.openai().chat.completions.create(**body, stream=stream)
    assert raised.value.code == "context_length_exceeded"
    assert "20" in raised.value.message


def test_a_full_queue_is_503_before_the_stream_starts(scripted):
    model, _ = scripted([STRAWBERRY], refusal=Overloaded("the queue is full"))
    with serving(model, ServerSettings()) as server:
        assert server.post(ask(stream=True)).status_code == 503


def test_a_backend_that_fails_in_mid_answer_ends_the_stream_with_an_error(scripted):
    model, _ = scripted([STRAWBERRY], fail_after_tokens=4)
    with (
        serving(model, ServerSettings()) as server,
        pytest.raises(openai.APIError, match="the generation failed"),
    ):
        list(server.openai().chat.completions.create(**ask(), stream=True))


def test_a_disconnect_reaches_the_backend(scripted):
    model, backend = scripted([STRAWBERRY * 500], delay_s=0.01)
    with serving(model, ServerSettings()) as server:
        with server.openai() as client:
            stream = client.chat.completions.create(**ask(), stream=True)
            next(iter(stream))
            stream.close()
        wait_for_abort(server, backend)
    assert backend.aborted_request_ids == [backend.requests[0].request_id]


def wait_for_abort(server: RunningServer, backend: ScriptedBackend) -> None:
    """Return once the backend saw an abort, or after the timeout."""
    end_s = time.monotonic() + TIMEOUT_S
    while not backend.aborted_request_ids and time.monotonic() < end_s:
        server.get("/health")


def test_health_follows_the_backend(scripted):
    model, backend = scripted([STRAWBERRY])
    with serving(model, ServerSettings()) as server:
        assert server.get("/health").status_code == 200
        backend.fail()
        assert server.get("/health").status_code == 503
