"""The hosted service's wire form, to the letter, for a whole server or for one request."""

import json
import re

import openai
import pytest

from flashstep.server.settings import ServerSettings
from flashstep.types import Finish, ReasoningDelta, TextDelta, ToolCallDelta
from server.running_server import STRAWBERRY, USAGE, PlayedModel, ask, serving
from server.scripted_model import scripted

CALLS = (
    ReasoningDelta("Two cities."),
    ToolCallDelta(0, "call_a", "weather"),
    ToolCallDelta(0, arguments='{"city": "Pa'),
    ToolCallDelta(0, arguments='ris"}'),
    ToolCallDelta(1, "call_b", "weather"),
    ToolCallDelta(1, arguments="{}"),
    Finish("tool_calls", USAGE),
)
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(scope="module")
def running():
    with serving(PlayedModel(), ServerSettings(wire="stepfun")) as server:
        yield server


@pytest.fixture
def stepfun(running):
    """A server of the hosted service's form, with a fresh script."""
    running.model.script = STRAWBERRY
    yield running
    running.close_clients()


def chunks_of(response) -> list[dict]:
    *data, done, end = response.text.split("\n\n")
    assert (done, end) == ("data: [DONE]", "")
    return [json.loads(frame.removeprefix("data: ")) for frame in data]


def test_the_chunks_of_a_stream_are_these(stepfun):
    response = stepfun.post(ask(stream=True), headers={"X-Trace-Id": TRACE_ID})
    chunks = chunks_of(response)
    assert len({chunk.pop("id") for chunk in chunks}) == 1
    created = [chunk.pop("created") for chunk in chunks]
    assert created[0] == 0
    assert min(created[1:]) > 1_700_000_000
    none = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    deltas = [
        {"role": "assistant", "content": ""},
        {"role": "", "content": "", "reasoning": "s-t-r-a-w-"},
        {"role": "", "content": "", "reasoning": "b-e-r-r-y: three r."},
        {"role": "", "content": "There are "},
        {"role": "", "content": "3."},
        {"role": "", "content": ""},
    ]
    final = {"cached_tokens": 8, "prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19}
    assert chunks == [
        {
            "object": "chat.completion.chunk",
            "model": "step-3.5-flash",
            "choices": [{"index": 0, "delta": delta, "finish_reason": "stop" if is_last else ""}],
            "usage": final if is_last else none,
        }
        for delta, is_last in zip(deltas, [False] * 5 + [True], strict=True)
    ]


def test_the_whole_answer_is_this(stepfun):
    response = stepfun.post(ask(), headers={"X-Trace-Id": TRACE_ID})
    body = response.json()
    assert re.fullmatch(rf"{TRACE_ID}\.[0-9a-f]{{32}}", body.pop("id"))
    assert body.pop("created") > 1_700_000_000
    assert body == {
        "object": "chat.completion",
        "model": "step-3.5-flash",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "There are 3.",
                    "reasoning": "s-t-r-a-w-b-e-r-r-y: three r.",
                },
                "finish_reason": "stop",
            }
        ],
        "usage": {"cached_tokens": 8, "prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19},
    }
    assert response.headers["x-trace-id"] == TRACE_ID


def test_the_id_of_an_answer_is_the_one_that_the_engine_knows(stepfun):
    body = stepfun.post(ask()).json()
    assert stepfun.model.calls[-1].request_id == body["id"]


def test_streamed_calls_are_complete_have_no_index_and_end_with_stop(stepfun):
    stepfun.model.script = CALLS
    chunks = chunks_of(stepfun.post(ask(tools=[WEATHER], stream=True)))
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert [delta["tool_calls"] for delta in deltas if "tool_calls" in delta] == [
        [
            {
                "id": "call_a",
                "type": "function",
                "function": {"name": "weather", "arguments": '{"city": "Paris"}'},
            },
            {"id": "call_b", "type": "function", "function": {"name": "weather", "arguments": "{}"}},
        ]
    ]
    assert {delta["content"] for delta in deltas} == {""}
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert "tool_calls" not in deltas[-1]


def test_whole_calls_have_an_empty_content_beside_them_and_end_with_stop(stepfun):
    stepfun.model.script = CALLS
    [choice] = stepfun.post(ask(tools=[WEATHER])).json()["choices"]
    assert choice["message"]["content"] == ""
    assert len(choice["message"]["tool_calls"]) == 2
    assert choice["finish_reason"] == "stop"


def test_a_call_cut_in_the_middle_is_half_in_both_forms(stepfun):
    half = ToolCallDelta(0, arguments='{"ci')
    stepfun.model.script = [ToolCallDelta(0, "call_a", "weather"), half, Finish("length", USAGE)]
    streamed = chunks_of(stepfun.post(ask(tools=[WEATHER], stream=True)))
    [whole] = stepfun.post(ask(tools=[WEATHER])).json()["choices"]
    [call] = whole["message"]["tool_calls"]
    assert call["function"] == {"name": "weather", "arguments": '{"ci'}
    assert [c["choices"][0]["delta"].get("tool_calls") for c in streamed[-2:]] == [[call], None]
    assert streamed[-1]["choices"][0]["finish_reason"] == whole["finish_reason"] == "length"


def test_usage_runs_up_on_every_chunk():
    model, _ = scripted("One.\n</think>\nThere are 3.")
    with serving(model, ServerSettings(wire="stepfun")) as server:
        totals = [c["usage"]["completion_tokens"] for c in chunks_of(server.post(ask(stream=True)))]
        whole = server.post(ask()).json()["usage"]
    assert totals[0] == 0
    assert totals == sorted(totals)
    assert totals[-1] == whole["completion_tokens"]
    assert len(set(totals)) > 3


def test_the_openai_client_reads_the_stream(stepfun):
    stream = stepfun.openai().chat.completions.create(**ask(), stream=True)
    assert "".join(chunk.choices[0].delta.content for chunk in stream) == "There are 3."


def test_the_reasoning_field_follows_the_request(stepfun):
    message = stepfun.post(ask(reasoning_format="deepseek-style")).json()["choices"][0]["message"]
    assert message["reasoning_content"] == "s-t-r-a-w-b-e-r-r-y: three r."
    assert "reasoning" not in stepfun.post(ask(include_reasoning=False, stream=True)).text


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_scores_are_there_when_they_were_asked_for(stream):
    model, _ = scripted("One.\n</think>\n3")
    with serving(model, ServerSettings(wire="stepfun")) as server:
        response = server.post(ask(logprobs=True, stream=stream))
    choices = [c["choices"][0] for c in chunks_of(response)] if stream else response.json()["choices"]
    scores = [choice["logprobs"] for choice in choices if "logprobs" in choice]
    assert [token["token"] for told in scores for token in told["content"]] == ["3"]


def test_an_unknown_model_is_a_400_here_and_a_404_in_the_other_form(stepfun):
    with pytest.raises(openai.BadRequestError) as raised:
        stepfun.openai().chat.completions.create(**ask(model="gpt-9"))
    assert (raised.value.param, raised.value.code) == ("model", "model_not_found")
    response = stepfun.post(ask(model="gpt-9"), headers={"X-Flashstep-Wire": "openai"})
    assert response.status_code == 404


def test_a_failed_answer_is_an_error_as_in_the_other_form(stepfun):
    stepfun.model.script = [TextDelta("a"), Finish("error", error="out of blocks")]
    assert stepfun.post(ask()).status_code == 502
    with pytest.raises(openai.APIError, match="out of blocks"):
        list(stepfun.openai().chat.completions.create(**ask(), stream=True))


def test_one_request_may_choose_the_form_by_a_header(server, stepfun):
    literal = server.post(ask(), headers={"X-Flashstep-Wire": "StepFun"}).json()
    strict = stepfun.post(ask(), headers={"X-Flashstep-Wire": "openai"}).json()
    assert "trace_id" not in literal
    assert strict["id"].startswith("chatcmpl-")


def test_an_unknown_form_is_named(server):
    response = server.post(ask(), headers={"X-Flashstep-Wire": "morse"})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "X-Flashstep-Wire"
    assert "openai, stepfun" in response.json()["error"]["message"]
