"""The events of a response, and the whole response as their fold."""

import asyncio
import json

import openai
import pytest

from flashstep.errors import BackendError, ContextLengthExceeded, EngineDead
from flashstep.server.settings import ServerSettings
from flashstep.types import (
    Finish,
    LogprobsDelta,
    ReasoningDelta,
    ScoredToken,
    TextDelta,
    TokenText,
    ToolCallDelta,
)
from server.responses.response_events import events_of, folded, names, plain
from server.running_server import USAGE, PlayedModel, forever, serving

PATH = "/v1/responses"
WEATHER = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}
PATCH = {"type": "custom", "name": "patch"}
CALLS = (
    ReasoningDelta("Two tools."),
    TextDelta("\n\n"),
    ToolCallDelta(0, id="call_a", name="weather"),
    ToolCallDelta(0, arguments='{"city": "Pa'),
    ToolCallDelta(0, arguments='ris"}'),
    TextDelta("And "),
    TextDelta("a patch."),
    ToolCallDelta(1, id="call_b", name="patch"),
    ToolCallDelta(1, arguments='{"input": "one\\n'),
    ToolCallDelta(1, arguments='two \\"'),
    ToolCallDelta(1, arguments='3\\""}'),
    Finish("tool_calls", USAGE),
)


def ask(**fields):
    return {"model": "step-3.5-flash", "input": "hi"} | fields


def streamed(server, **fields):
    return events_of(server.post(ask(stream=True, **fields), path=PATH))


def test_the_events_come_in_the_official_order(server):
    events = streamed(server)
    assert names(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert events[0]["response"]["status"] == "in_progress"
    assert events[0]["response"]["output"] == []
    response = events[-1]["response"]
    assert response["status"] == "completed"
    assert [item["type"] for item in response["output"]] == ["reasoning", "message"]
    assert response["usage"]["input_tokens_details"]["cached_tokens"] == USAGE.cached_tokens
    assert response["usage"]["output_tokens_details"] == {"reasoning_tokens": USAGE.reasoning_tokens}


def test_calls_of_both_kinds_have_their_own_events(server):
    server.model.script = CALLS
    events = streamed(server, tools=[WEATHER, PATCH])
    assert names(events)[8:] == [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
        "completed",
    ]
    _, weather, message, patch = events[-1]["response"]["output"]
    assert json.loads(weather["arguments"]) == {"city": "Paris"}
    assert weather["call_id"] == "call_a"
    assert weather["id"].startswith("fc_")
    assert message["content"][0]["text"] == "And a patch."
    assert patch["input"] == 'one\ntwo "3"'
    assert patch["call_id"] == "call_b"
    assert patch["id"].startswith("ctc_")


@pytest.mark.parametrize("script", [None, CALLS], ids=["text", "calls"])
def test_folding_the_stream_gives_the_whole_response(server, script):
    server.model.script = script or server.model.script
    tools = [WEATHER, PATCH]
    events = streamed(server, tools=tools)
    whole = server.post(ask(tools=tools), path=PATH).json()
    assert folded(events) == plain(whole["output"])
    last = events[-1]["response"]
    changing = ("id", "created_at", "completed_at", "trace_id", "output")
    assert {k: v for k, v in last.items() if k not in changing} == {
        k: v for k, v in whole.items() if k not in changing
    }
    assert plain(last["output"]) == plain(whole["output"])
    assert len({item["id"] for item in whole["output"]}) == len(whole["output"])


def test_done_events_repeat_what_the_deltas_said(server):
    server.model.script = CALLS
    events = streamed(server, tools=[WEATHER, PATCH])
    for event in events:
        said = "".join(
            e["delta"] for e in events if "delta" in e and e["output_index"] == event.get("output_index")
        )
        for field in ("text", "arguments", "input"):
            if field in event:
                assert event[field] == said
        if event["type"] == "response.output_item.done":
            assert event["item"] == events[-1]["response"]["output"][event["output_index"]]


def test_an_answer_cut_by_its_limit_is_incomplete_and_says_why(server):
    server.model.script = (ReasoningDelta("so much to thi"), Finish("length", USAGE))
    events = streamed(server, max_output_tokens=5)
    assert events[-1]["type"] == "response.incomplete"
    response = events[-1]["response"]
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert response["completed_at"] is None
    assert [(item["type"], item["status"]) for item in response["output"]] == [("reasoning", "incomplete")]


def test_an_answer_that_the_repetition_guard_ended_is_marked(server):
    server.model.script = (TextDelta("<<<<"), Finish("length", USAGE, stop_reason="repetition"))
    response = server.post(ask(), path=PATH).json()
    assert response["status"] == "incomplete"
    assert response["incomplete_details"]["stop_reason"] == "repetition"


@pytest.mark.parametrize(
    ("name", "arguments"), [("weather", '{"city": "Pa'), ("patch", '{"input": "*** Begin')]
)
def test_half_a_call_is_listed_as_incomplete_and_never_announced_as_done(server, name, arguments):
    server.model.script = (
        ToolCallDelta(0, id="call_a", name=name),
        ToolCallDelta(0, arguments=arguments),
        Finish("length", USAGE),
    )
    events = streamed(server, tools=[WEATHER, PATCH])
    assert not any(event["type"].endswith(".done") for event in events)
    [item] = events[-1]["response"]["output"]
    assert item["status"] == "incomplete"


def test_scores_come_with_the_text_they_belong_to(server):
    def scored(text: str) -> ScoredToken:
        token = TokenText(7, text, text.encode(), -0.5)
        return ScoredToken(token, (token, TokenText(8, "x", b"x", -1.5)))

    server.model.script = (
        LogprobsDelta((scored("hm"),), "reasoning"),
        ReasoningDelta("hm"),
        LogprobsDelta((scored("a"), scored("b"))),
        TextDelta("ab"),
        LogprobsDelta((scored("c"),)),
        TextDelta("c"),
        Finish("stop", USAGE),
    )
    events = streamed(server, include=["message.output_text.logprobs"], top_logprobs=2)
    deltas = [event for event in events if event["type"] == "response.output_text.delta"]
    assert ["".join(s["token"] for s in d["logprobs"]) for d in deltas] == ["ab", "c"]
    part = events[-1]["response"]["output"][1]["content"][0]
    assert "".join(score["token"] for score in part["logprobs"]) == "abc"
    assert part["logprobs"][0] == {
        "token": "a",
        "logprob": -0.5,
        "bytes": [97],
        "top_logprobs": [
            {"token": "a", "logprob": -0.5, "bytes": [97]},
            {"token": "x", "logprob": -1.5, "bytes": [120]},
        ],
    }
    assert server.model.calls[0].params.logprobs == 2


@pytest.mark.parametrize(
    "failure", [BackendError("the upstream engine is gone"), Finish("error", error="the engine is gone")]
)
def test_a_failure_in_mid_stream_is_told_as_error_and_as_failed_response(server, failure):
    server.model.script = (ReasoningDelta("hm"), TextDelta("The ans"), failure)
    events = streamed(server)
    assert [event["type"] for event in events[-2:]] == ["error", "response.failed"]
    assert "engine is gone" in events[-2]["message"]
    response = events[-1]["response"]
    assert response["status"] == "failed"
    assert response["error"]["code"] == "server_error"
    assert response["output"][1]["status"] == "incomplete"
    assert response["output"][1]["content"][0]["text"] == "The ans"


def test_an_unexpected_failure_shows_the_trace_id_and_no_internals(server):
    server.model.script = (TextDelta("The"), RuntimeError("secret path"))
    events = streamed(server)
    assert "secret" not in json.dumps(events)
    assert events[-1]["response"]["trace_id"] in events[-1]["response"]["error"]["message"]


def test_the_sdk_raises_on_a_failure_in_mid_stream(server):
    server.model.script = (TextDelta("The"), Finish("error", error="the engine is gone"))
    with server.openai() as client, pytest.raises(openai.APIError, match="the engine is gone"):
        list(client.responses.create(**ask(), stream=True))


@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_before_anything_was_said_has_its_own_status(server, stream):
    server.model.script = (EngineDead("the engine has ended"),)
    response = server.post(ask(stream=stream), path=PATH)
    assert response.status_code == 503
    assert response.json()["error"]["type"] == "engine_dead"


def test_a_failure_behind_a_keep_alive_comment_is_a_failed_response():
    async def wait() -> None:
        await asyncio.sleep(0.2)

    model = PlayedModel()
    model.script = (wait, ContextLengthExceeded("the conversation has 9 tokens too many"))
    with serving(model, ServerSettings(keep_alive_s=0.02)) as server:
        events = streamed(server)
    assert names(events) == ["created", "in_progress", "error", "failed"]
    assert events[-1]["response"]["error"]["code"] == "context_length_exceeded"
    assert events[-2]["param"] == "input"


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_aborts_the_generation(server, stream):
    server.model.script = (TextDelta("a"), forever)
    with server.openai() as client, pytest.raises(openai.APITimeoutError):
        list(client.with_options(timeout=0.3).responses.create(**ask(), stream=stream))
    assert server.model.calls[0].aborted.wait(10)
