"""The event stream of a message: order, blocks, stop reasons, and what happens when it breaks."""

import base64
import json

import httpx
import pytest

from flashstep.errors import BackendError
from flashstep.server.settings import ServerSettings
from flashstep.types import Finish, ReasoningDelta, TextDelta, ToolCallDelta
from server.running_server import USAGE, PlayedModel, forever, serving

CALLS = (
    ReasoningDelta("Two "),
    ReasoningDelta("tools."),
    TextDelta("\n\n"),
    ToolCallDelta(0, id="call_a", name="weather"),
    ToolCallDelta(0, arguments='{"city": "Pa'),
    ToolCallDelta(0, arguments='ris"}'),
    TextDelta("\n"),
    TextDelta("And the time."),
    ToolCallDelta(1, id="call_b", name="time"),
    ToolCallDelta(1, arguments="{}"),
    Finish("tool_calls", USAGE),
)


def ask(**fields) -> dict:
    messages = [{"role": "user", "content": "hi"}]
    return {"model": "step-3.5-flash", "max_tokens": 500, "messages": messages} | fields


def streamed(server, **fields) -> list[dict]:
    """All events; each has an `event:` line that repeats its type."""
    response = server.post(ask(stream=True, **fields), "/v1/messages?beta=true")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    events = []
    for block in response.text.removesuffix("\n\n").split("\n\n"):
        if not block.startswith(":"):
            name, data = block.split("\n")
            event = json.loads(data.removeprefix("data: "))
            assert name == f"event: {event['type']}"
            events.append(event)
    return events


def whole(server, **fields) -> dict:
    response = server.post(ask(**fields), "/v1/messages")
    assert response.status_code == 200, response.text
    return response.json()


def blocks(events: list[dict]) -> list[dict]:
    """The content that the deltas spell; checks that one block is open at a time, indices rising."""
    content: list[dict] = []
    is_open = False
    for event in events:
        if event["type"] == "content_block_start":
            assert not is_open
            assert event["index"] == len(content)
            content.append({**event["content_block"]})
            is_open = True
        elif event["type"] == "content_block_delta":
            assert is_open
            assert event["index"] == len(content) - 1
            _extend(content[-1], event["delta"])
        elif event["type"] == "content_block_stop":
            assert is_open
            assert event["index"] == len(content) - 1
            is_open = False
    assert not is_open
    return [_finished(block) for block in content]


def _extend(block: dict, delta: dict) -> None:
    field = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}
    if delta["type"] == "input_json_delta":
        block["json"] = block.get("json", "") + delta["partial_json"]
    else:
        name = field[delta["type"]]
        block[name] += delta[name]


def _finished(block: dict) -> dict:
    text = block.pop("json", None)
    return block if text is None else {**block, "input": json.loads(text)}


def types(events: list[dict]) -> list[str]:
    names = [event["type"] for event in events]
    return [name for i, name in enumerate(names) if i == 0 or name != names[i - 1]]


def test_the_events_come_in_anthropic_s_order(server):
    events = streamed(server, thinking={"type": "adaptive"})
    block = ["content_block_start", "content_block_delta", "content_block_stop"]
    assert types(events) == ["message_start", "ping", *block, *block, "message_delta", "message_stop"]
    start = events[0]["message"]
    assert (start["content"], start["stop_reason"], start["role"]) == ([], None, "assistant")
    assert events[-2]["delta"] == {
        "container": None, "stop_details": None, "stop_reason": "end_turn", "stop_sequence": None
    }  # fmt: skip


def test_the_stream_spells_the_whole_message_without_blank_blocks(server):
    server.model.script = CALLS
    events = streamed(server, thinking={"type": "enabled", "budget_tokens": 2000})
    message = whole(server, thinking={"type": "enabled", "budget_tokens": 2000})
    assert blocks(events) == message["content"]
    assert [block["type"] for block in message["content"]] == ["thinking", "tool_use", "text", "tool_use"]
    assert message["content"][1]["input"] == {"city": "Paris"}
    assert message["content"][2]["text"] == "\nAnd the time."
    assert message["content"][3]["input"] == {}
    assert message["stop_reason"] == events[-2]["delta"]["stop_reason"] == "tool_use"


def test_the_counts_have_anthropic_s_meaning(server):
    usage = whole(server)["usage"]
    assert usage["input_tokens"] == USAGE.prompt_tokens - USAGE.cached_tokens
    assert usage["cache_read_input_tokens"] == USAGE.cached_tokens
    assert usage["output_tokens"] == USAGE.completion_tokens
    assert usage["output_tokens_details"] == {"thinking_tokens": USAGE.reasoning_tokens}


def test_the_first_event_has_the_prompt_s_length(scripted):
    with scripted(["so\n</think>\nyes"]) as served:
        events = streamed(served.server)
    start, end = events[0]["message"]["usage"], events[-2]["usage"]
    assert start["input_tokens"] == end["input_tokens"] > 0


def test_every_member_that_strict_readers_look_for_is_there(server):
    message = whole(server, thinking={"type": "adaptive"})
    assert {"model", "container", "stop_details", "stop_sequence", "stop_reason"} <= message.keys()
    assert {
        "cache_creation", "cache_creation_input_tokens", "cache_read_input_tokens", "inference_geo",
        "output_tokens_details", "server_tool_use", "service_tier",
    } <= message["usage"].keys()  # fmt: skip
    thinking, text = message["content"]
    assert thinking["signature"]
    assert text["citations"] is None


@pytest.mark.parametrize("thinking", [None, {"type": "disabled"}])
def test_thinking_that_was_not_asked_for_is_left_out(server, thinking):
    assert [block["type"] for block in whole(server, thinking=thinking)["content"]] == ["text"]
    assert [block["type"] for block in blocks(streamed(server, thinking=thinking))] == ["text"]


def test_omitted_thinking_comes_back_in_its_signature(server):
    thinking = {"type": "adaptive", "display": "omitted"}
    events = streamed(server, thinking=thinking)
    message = whole(server, thinking=thinking)
    assert blocks(events) == message["content"]
    assert message["content"][0]["thinking"] == ""
    history = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": message["content"]}]
    whole(server, messages=[*history, {"role": "user", "content": "and?"}])
    assert server.model.calls[-1].messages[1].reasoning == "s-t-r-a-w-b-e-r-r-y: three r."


@pytest.mark.parametrize(
    "signature", ["EqQBCgIYAhIM", "fst.", "fst.%%%", "fst." + base64.b64encode(b"\xff").decode()]
)
def test_signatures_of_others_are_taken_and_say_nothing(server, signature):
    block = {"type": "thinking", "thinking": "", "signature": signature}
    history = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": [block]}]
    whole(server, messages=[*history, {"role": "user", "content": "and?"}])
    assert server.model.calls[-1].messages[1].reasoning is None


@pytest.mark.parametrize(
    ("finish", "reason", "sequence"),
    [
        (Finish("stop", USAGE), "end_turn", None),
        (Finish("stop", USAGE, stop_reason="END"), "stop_sequence", "END"),
        (Finish("length", USAGE), "max_tokens", None),
        (Finish("length", USAGE, stop_reason="repetition"), "max_tokens", None),
    ],
)
def test_why_the_answer_ended(server, finish, reason, sequence):
    server.model.script = (TextDelta("well"), finish)
    end = streamed(server)[-2]["delta"]
    message = whole(server)
    cause = "repetition" if finish.stop_reason == "repetition" else None
    for told in (end, message):
        assert (told["stop_reason"], told["stop_sequence"], told.get("stop_cause")) == (
            reason,
            sequence,
            cause,
        )


def test_an_answer_that_only_thought_is_an_empty_message_that_ran_out_of_tokens(server):
    server.model.script = (ReasoningDelta("hm"), Finish("length", USAGE))
    message = whole(server)
    assert (message["content"], message["stop_reason"]) == ([], "max_tokens")
    assert types(streamed(server)) == ["message_start", "ping", "message_delta", "message_stop"]


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ("", {}),
        ('{"city": "Pa', {}),
        ('{"days": 3, "city": "Pa', {"days": 3}),
        ('{"deep": ' + "[" * 400 + "]" * 400 + ', "city": "Pa', {}),
    ],
)
def test_half_a_call_has_the_members_that_were_whole(server, arguments, given):
    server.model.script = (
        ToolCallDelta(0, id="call_a", name="weather"),
        ToolCallDelta(0, arguments=arguments),
        Finish("length", USAGE),
    )
    [block] = whole(server)["content"]
    assert (block["type"], block["id"], block["name"], block["input"]) == (
        "tool_use",
        "call_a",
        "weather",
        given,
    )
    events = streamed(server)
    assert events[-3]["type"] == "content_block_stop"
    assert events[-2]["delta"]["stop_reason"] == "max_tokens"


def test_a_failure_in_mid_stream_is_an_error_event(server):
    server.model.script = (TextDelta("There"), BackendError("the engine does not answer"))
    events = streamed(server)
    assert events[-1]["type"] == "error"
    assert events[-1]["error"] == {"type": "api_error", "message": "the engine does not answer"}
    assert len(events[-1]["request_id"]) == 32


def test_a_silent_stream_is_kept_alive_and_a_reader_who_leaves_ends_it():
    model = PlayedModel()
    model.script = (ReasoningDelta("hm"), forever)
    with (
        serving(model, ServerSettings(keep_alive_s=0.02)) as server,
        server_stream(server) as response,
    ):
        lines = response.iter_lines()
        assert next(lines) == "event: message_start"
        assert any(line.startswith(":") for line in lines)
    assert model.calls[0].aborted.wait(10)


def server_stream(server):
    return httpx.stream("POST", f"{server.url}/v1/messages", json=ask(stream=True), timeout=20)
