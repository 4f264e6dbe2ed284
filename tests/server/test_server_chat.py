"""POST /v1/chat/completions with the real openai client: whole and streamed answers agree."""

import asyncio
import json

import httpx
import openai
import pytest

from flashstep.errors import ContextLengthExceeded, EngineDead, Overloaded
from flashstep.server.settings import ServerSettings
from flashstep.types import Finish, ReasoningDelta, TextDelta, ToolCallDelta
from server.running_server import STRAWBERRY, USAGE, PlayedModel, ask, serving

WEATHER_CALLS = (
    ReasoningDelta("Two cities."),
    ToolCallDelta(0, "call_a", "weather"),
    ToolCallDelta(0, arguments='{"city": "Pa'),
    ToolCallDelta(0, arguments='ris"}'),
    ToolCallDelta(1, "call_b", "weather"),
    ToolCallDelta(1, arguments='{"city": "Köln"}'),
    Finish("tool_calls", USAGE),
)
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def test_a_whole_answer_has_reasoning_content_and_usage(server):
    answer = server.openai().chat.completions.create(**ask())
    message = answer.choices[0].message
    assert message.reasoning == "s-t-r-a-w-b-e-r-r-y: three r."
    assert message.content == "There are 3."
    assert message.refusal is None
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "step-3.5-flash"
    assert answer.usage.prompt_tokens == 12
    assert answer.usage.total_tokens == 19
    assert answer.usage.cached_tokens == 8
    assert answer.usage.prompt_tokens_details.cached_tokens == 8
    assert answer.usage.completion_tokens_details.reasoning_tokens == 4


def test_the_whole_answer_has_the_members_that_strict_checkers_ask_for(server):
    body = server.post(ask()).json()
    call = server.model.calls[0]
    assert body.pop("created") > 1_700_000_000
    assert body.pop("system_fingerprint").startswith("fp_")
    assert body == {
        "id": call.request_id,
        "object": "chat.completion",
        "model": "step-3.5-flash",
        "trace_id": call.trace_id,
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "There are 3.",
                    "refusal": None,
                    "annotations": [],
                    "reasoning": "s-t-r-a-w-b-e-r-r-y: three r.",
                },
                "logprobs": None,
                "finish_reason": "stop",
                "stop_reason": None,
            }
        ],
        "usage": {
            "prompt_tokens": 12,
            "completion_tokens": 7,
            "total_tokens": 19,
            "cached_tokens": 8,
            "prompt_tokens_details": {"cached_tokens": 8},
            "completion_tokens_details": {"reasoning_tokens": 4},
        },
    }


def test_a_program_that_reads_reasoning_then_content_of_every_chunk_works(server):
    """The reading loop of the guide: choices[0] of each chunk, reasoning first, content else."""
    reasoning, content = "", ""
    for chunk in server.openai().chat.completions.create(**ask(), stream=True):
        if hasattr(chunk.choices[0].delta, "reasoning") and chunk.choices[0].delta.reasoning:
            reasoning += chunk.choices[0].delta.reasoning
        elif chunk.choices[0].delta.content:
            content += chunk.choices[0].delta.content
    assert reasoning == "s-t-r-a-w-b-e-r-r-y: three r."
    assert content == "There are 3."


def test_a_program_that_asks_every_delta_for_its_reasoning_works(server):
    """The guide's other way, without asking whether the member is there."""
    reasoning = ""
    for chunk in server.openai().chat.completions.create(**ask(), stream=True):
        if chunk.choices[0].delta.reasoning:
            reasoning += chunk.choices[0].delta.reasoning
    assert reasoning == "s-t-r-a-w-b-e-r-r-y: three r."


def test_the_streaming_helper_accumulates_the_whole_answer(server):
    with server.openai().chat.completions.stream(**ask()) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.content == "There are 3."
    assert final.choices[0].finish_reason == "stop"


def test_the_role_is_in_the_first_delta_alone_and_the_finish_delta_is_empty(server):
    chunks = list(server.openai().chat.completions.create(**ask(), stream=True))
    assert [chunk.choices[0].delta.role for chunk in chunks] == ["assistant"] + [None] * (len(chunks) - 1)
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert chunks[-1].choices[0].delta.model_dump(exclude_none=True) == {}
    assert {chunk.id for chunk in chunks} == {server.model.calls[0].request_id}
    assert {chunk.trace_id for chunk in chunks} == {server.model.calls[0].trace_id}


def test_usage_comes_in_one_last_chunk_without_choices_when_asked_for(server):
    stream = server.openai().chat.completions.create(
        **ask(stream_options={"include_usage": True}), stream=True
    )
    *chunks, last = list(stream)
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    assert last.choices == []
    assert (last.usage.prompt_tokens, last.usage.completion_tokens, last.usage.cached_tokens) == (12, 7, 8)


def test_without_include_usage_no_chunk_has_usage_or_empty_choices(server):
    chunks = list(server.openai().chat.completions.create(**ask(), stream=True))
    assert all(chunk.choices for chunk in chunks)
    assert not any("usage" in chunk.model_fields_set for chunk in chunks)


def test_tool_calls_come_whole_with_null_content(server):
    server.model.script = WEATHER_CALLS
    answer = server.openai().chat.completions.create(**ask(tools=[WEATHER]))
    message = answer.choices[0].message
    assert message.content is None
    assert [(call.id, call.type, call.function.name) for call in message.tool_calls] == [
        ("call_a", "function", "weather"),
        ("call_b", "function", "weather"),
    ]
    assert json.loads(message.tool_calls[1].function.arguments) == {"city": "Köln"}
    assert answer.choices[0].finish_reason == "tool_calls"


def test_streamed_tool_calls_fold_to_the_whole_ones(server):
    server.model.script = WEATHER_CALLS
    whole = server.openai().chat.completions.create(**ask(tools=[WEATHER]))
    with server.openai().chat.completions.stream(**ask(tools=[WEATHER])) as stream:
        folded = stream.get_final_completion()
    assert [(c.id, c.function.name, c.function.arguments) for c in folded.choices[0].message.tool_calls] == [
        (c.id, c.function.name, c.function.arguments) for c in whole.choices[0].message.tool_calls
    ]
    assert folded.choices[0].finish_reason == "tool_calls"


def test_a_call_cut_in_the_middle_is_half_in_a_whole_answer(server):
    half = [ToolCallDelta(0, "call_a", "weather"), ToolCallDelta(0, arguments='{"ci')]
    server.model.script = [*half, Finish("length")]
    [choice] = server.openai().chat.completions.create(**ask(tools=[WEATHER])).choices
    [call] = choice.message.tool_calls
    assert (call.id, call.function.name, call.function.arguments) == ("call_a", "weather", '{"ci')
    assert (choice.message.content, choice.finish_reason) == (None, "length")


def test_id_and_name_come_in_the_first_piece_of_a_tool_call_only(server):
    server.model.script = WEATHER_CALLS
    stream = server.openai().chat.completions.create(**ask(tools=[WEATHER]), stream=True)
    pieces = [call for chunk in stream for call in chunk.choices[0].delta.tool_calls or []]
    assert [(p.index, p.id, p.type, p.function.name, p.function.arguments) for p in pieces] == [
        (0, "call_a", "function", "weather", ""),
        (0, None, None, None, '{"city": "Pa'),
        (0, None, None, None, 'ris"}'),
        (1, "call_b", "function", "weather", ""),
        (1, None, None, None, '{"city": "Köln"}'),
    ]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"reasoning"}),
        ({"reasoning_format": "general"}, {"reasoning"}),
        ({"reasoning_format": "deepseek-style"}, {"reasoning_content"}),
        ({"include_reasoning": False}, set()),
        ({"enable_thinking": False}, set()),
        ({"chat_template_kwargs": {"enable_thinking": False}}, set()),
        ({"reasoning": {"exclude": True}}, set()),
        ({"thinking": {"type": "disabled"}}, set()),
        ({"reasoning_effort": "none"}, set()),
        ({"reasoning_effort": "high"}, {"reasoning"}),
        ({"reasoning_effort": "none", "include_reasoning": True}, {"reasoning"}),
    ],
    ids=str,
)
def test_reasoning_goes_out_under_the_name_asked_for_or_not_at_all(server, fields, expected, stream):
    response = server.post(ask(**fields, stream=stream))
    assert response.status_code == 200
    if stream:
        chunks = [json.loads(line[6:]) for line in response.text.split("\n\n") if line.startswith("data: {")]
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
        assert "".join(delta.get("content", "") for delta in deltas) == "There are 3."
    else:
        deltas = [response.json()["choices"][0]["message"]]
    names = {name for delta in deltas for name in delta if "reasoning" in name}
    assert names == expected


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"reasoning_effort": "low"}, "no levels"),
        ({"enable_thinking": False}, "always thinks"),
        ({"verbosity": "low"}, "verbosity"),
        ({"reasoning": {"enabled": False}}, "kept short and left out"),
    ],
    ids=str,
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_wish_without_effect_is_named_in_a_header(server, fields, words, stream):
    assert words in server.post(ask(**fields, stream=stream)).headers["x-flashstep-warning"]
    assert "x-flashstep-warning" not in server.post(ask(stream=stream)).headers


def test_a_failure_before_the_first_event_has_its_own_status(server):
    server.model.script = [ContextLengthExceeded("5000 tokens do not fit into 4096")]
    with pytest.raises(openai.BadRequestError) as raised:
        server.openai().chat.completions.create(**ask(), stream=True)
    assert raised.value.code == "context_length_exceeded"
    assert raised.value.param == "messages"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_overloaded_server_says_when_to_come_back(server, stream):
    server.model.script = [Overloaded("the queue of 8 is full", retry_after_s=2.5)]
    response = server.post(ask(stream=stream))
    assert response.status_code == 503
    assert response.headers["retry-after"] == "3"
    assert response.json()["error"]["type"] == "overloaded"


def test_a_failure_in_mid_stream_is_the_last_frame(server):
    server.model.script = [TextDelta("There"), EngineDead("the engine has ended")]
    with pytest.raises(openai.APIError, match="the engine has ended"):
        list(server.openai().chat.completions.create(**ask(), stream=True))
    frames = server.post(ask(stream=True)).text.split("\n\n")
    assert json.loads(frames[-2][6:])["error"]["type"] == "engine_dead"
    assert "[DONE]" not in frames[-2:]


@pytest.mark.parametrize("reason", ["error", "abort"])
def test_an_answer_that_did_not_end_by_itself_is_an_error(server, reason):
    server.model.script = [TextDelta("There"), Finish(reason, error="out of blocks")]
    assert server.post(ask()).status_code == 502
    with pytest.raises(openai.APIError):
        list(server.openai().chat.completions.create(**ask(), stream=True))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_unexpected_exception_shows_only_its_trace_id(server, stream, caplog):
    server.model.script = [ZeroDivisionError("a secret detail")]
    response = server.post(ask(stream=stream))
    assert response.status_code == 500
    error = response.json()["error"]
    assert error["trace_id"] == response.headers["x-trace-id"]
    assert error["trace_id"] in error["message"]
    assert "secret" not in response.text
    assert any(record.exc_info and "secret" in str(record.exc_info[1]) for record in caplog.records)


def test_silence_is_filled_with_comments_that_clients_skip():
    async def silence() -> None:
        await asyncio.sleep(0.2)

    model = PlayedModel()
    model.script = [silence, *STRAWBERRY]
    with serving(model, ServerSettings(keep_alive_s=0.02)) as server:
        text = server.post(ask(stream=True)).text
        answer = "".join(
            chunk.choices[0].delta.content or ""
            for chunk in server.openai().chat.completions.create(**ask(), stream=True)
        )
    assert text.startswith(": keep-alive\n\n")
    assert answer == "There are 3."


def test_a_failure_behind_a_comment_is_a_frame_since_the_status_is_out():
    async def silence() -> None:
        await asyncio.sleep(0.2)

    model = PlayedModel()
    model.script = [silence, Overloaded("waited too long")]
    with serving(model, ServerSettings(keep_alive_s=0.02)) as server:
        response = server.post(ask(stream=True))
    assert response.status_code == 200
    assert json.loads(response.text.split("\n\n")[-2][6:])["error"]["code"] == "overloaded"


def test_a_stream_that_breaks_off_without_a_finish_is_an_error(server):
    server.model.script = [TextDelta("There")]
    assert "without a finish" in server.post(ask()).json()["error"]["message"]
    assert "without a finish" in server.post(ask(stream=True)).text


def test_two_streams_run_side_by_side(server):
    """Each stream's second half waits for the other's first half, so neither could go first alone."""
    meeting = asyncio.Barrier(2)
    server.model.script = [TextDelta("a"), meeting.wait, TextDelta("b"), Finish("stop")]
    with httpx.Client(timeout=20) as client:
        url = f"{server.url}/v1/chat/completions"
        with (
            client.stream("POST", url, json=ask(stream=True)) as first,
            client.stream("POST", url, json=ask(stream=True)) as second,
        ):
            assert b"[DONE]" in first.read()
            assert b"[DONE]" in second.read()
