"""What a request may hold: each wrong field is a 400 that names it, and the server lives on."""

import json
import math

import httpx
import openai
import pytest

from flashstep.types import Message, ToolCall
from server.running_server import ask

USER = {"role": "user", "content": "hi"}


def tool(**function):
    return {"type": "function", "function": {"name": "f"} | function}


def assistant(**call):
    return {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function"} | call]}


WRONG = [
    ({"model": None}, "model", "string"),
    ({"model": 3}, "model", "string"),
    ({"messages": "x"}, "messages", "list"),
    ({"messages": []}, "messages", "at least 1"),
    ({"messages": None}, "messages", "list"),
    ({"messages": ["hi"]}, "messages[0]", "'hi'"),
    ({"messages": [{"content": "hi"}]}, "messages[0].role", "required"),
    ({"messages": [{"role": "robot", "content": "hi"}]}, "messages[0].role", "'robot'"),
    ({"messages": [USER, {"role": "user", "content": 5}]}, "messages[1].content", "5"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        "messages[0].content",
        "image_url",
    ),
    ({"messages": [{"role": "user"}]}, "messages[0].content", "required"),
    ({"messages": [{"role": "system", "content": None}]}, "messages[0].content", "required"),
    (
        {"messages": [{"role": "assistant", "function_call": {"name": "f"}}]},
        "messages[0].function_call",
        "should be None",
    ),
    ({"messages": [{"role": "user", "content": ["hi"]}]}, "messages[0].content", "part 0"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content", "no text"),
    (
        {"messages": [USER, assistant(function={"name": "f", "arguments": "{oops"})]},
        "messages[1].tool_calls[0].function.arguments",
        "not valid JSON",
    ),
    (
        {"messages": [assistant(function={"name": "f", "arguments": "[1]"})]},
        "messages[0].tool_calls[0].function.arguments",
        "object",
    ),
    ({"messages": [assistant()]}, "messages[0].tool_calls[0].function", "required"),
    ({"messages": [{"role": "assistant", "reasoning": 1}]}, "messages[0].reasoning", "string"),
    ({"temperature": "hot"}, "temperature", "'hot'"),
    ({"temperature": -1}, "temperature", "outside [0.0, 2.0]"),
    ({"temperature": math.nan}, "temperature", "nan"),
    ({"temperature": math.inf}, "temperature", "inf"),
    ({"temperature": True}, "temperature", "True"),
    ({"top_p": 0}, "top_p", "outside"),
    ({"top_p": 1.5}, "top_p", "1.5"),
    ({"top_k": -2}, "top_k", "-2"),
    ({"top_k": 1.5}, "top_k", "1.5"),
    ({"min_p": 2}, "min_p", "2"),
    ({"presence_penalty": 3}, "presence_penalty", "3"),
    ({"frequency_penalty": -3}, "frequency_penalty", "-3"),
    ({"repetition_penalty": 0}, "repetition_penalty", "0"),
    ({"seed": "x"}, "seed", "'x'"),
    ({"seed": 1 << 70}, "seed", str(1 << 63)),
    ({"stop": [""]}, "stop", "empty"),
    ({"stop": [1]}, "stop[0]", "string"),
    ({"stop": 5}, "stop", "5"),
    ({"max_tokens": 0}, "max_tokens", "0"),
    ({"max_tokens": -1}, "max_tokens", "-1"),
    ({"max_tokens": 1.5}, "max_tokens", "1.5"),
    ({"max_completion_tokens": "10"}, "max_completion_tokens", "'10'"),
    ({"stream": "yes"}, "stream", "'yes'"),
    ({"stream_options": True}, "stream_options", "True"),
    ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage", "1"),
    ({"include_reasoning": "no"}, "include_reasoning", "'no'"),
    ({"reasoning_format": "xml"}, "reasoning_format", "'general' or 'deepseek-style'"),
    ({"reasoning_effort": "huge"}, "reasoning_effort", "huge"),
    ({"reasoning_effort": ["low"]}, "reasoning_effort", "low"),
    ({"tools": {}}, "tools", "list"),
    ({"tools": [{"type": "web_search", "function": {"name": "f"}}]}, "tools[0].type", "web_search"),
    ({"tools": [{"type": "custom", "custom": {}}]}, "tools[0].type", "custom"),
    ({"tools": [{"type": "function"}]}, "tools[0].function", "required"),
    ({"tools": [tool(name="a b")]}, "tools[0].function.name", "'a b'"),
    ({"tools": [tool(name="f" * 65)]}, "tools[0].function.name", "match"),
    ({"tools": [tool(parameters={"type": "array"})]}, "tools[0].function.parameters", "'array'"),
    ({"tools": [tool(), tool()]}, "tools[1].function.name", "twice"),
]


def refused(server, body: bytes, status: int = 400) -> dict:
    """The error object of a request that never reaches the model; the next request is answered."""
    response = httpx.post(f"{server.url}/v1/chat/completions", content=body, timeout=20)
    assert response.status_code == status
    assert server.model.calls == []
    assert server.post(ask()).status_code == 200
    error = response.json()["error"]
    assert error["type"] == "invalid_request_error"
    return error


@pytest.mark.parametrize(("fields", "param", "words"), WRONG, ids=[f"{w[1]}-{w[2]}" for w in WRONG])
def test_a_wrong_field_is_named_with_value_and_reason(server, fields, param, words):
    error = refused(server, json.dumps(ask(**fields)).encode())
    assert error["param"] == param
    assert error["message"].startswith(f"{param}: ")
    assert words in error["message"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", 2),
        ("n", True),
        ("logprobs", True),
        ("top_logprobs", 3),
        ("logit_bias", {"5": 1}),
        ("tool_choice", "required"),
        ("tool_choice", {"type": "function", "function": {"name": "f"}}),
        ("parallel_tool_calls", False),
        ("response_format", {"type": "json_object"}),
        ("response_format", {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}),
        ("thinking_token_budget", 100),
        ("functions", [{"name": "f"}]),
        ("function_call", {"name": "f"}),
        ("audio", {"voice": "x"}),
        ("modalities", ["text", "audio"]),
        ("prediction", {"type": "content", "content": "x"}),
        ("web_search_options", {}),
    ],
)
def test_what_this_version_cannot_do_is_refused_and_not_ignored(server, field, value):
    error = refused(server, json.dumps(ask(**{field: value})).encode())
    assert error["param"] == field
    assert error["code"] == "unsupported_parameter"
    assert "not supported by this version; " in error["message"]


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 1, "logprobs": False, "top_logprobs": 0, "logit_bias": {}},
        {"tool_choice": "auto", "parallel_tool_calls": True},
        {"response_format": {"type": "text"}, "modalities": ["text"]},
        {"functions": None, "audio": None, "temperature": None, "stop": None, "tools": None, "stream": None},
        {"user": "u", "metadata": {"a": "b"}, "store": True, "service_tier": "auto", "verbosity": "low"},
        {"safety_identifier": "s", "prompt_cache_key": "k", "made_up_field": [1, 2]},
        {"chat_template_kwargs": "odd", "reasoning": 5, "thinking": []},
        {"stream_options": {"include_obfuscation": True}},
    ],
    ids=lambda fields: "+".join(fields),
)
def test_off_values_and_harmless_and_unknown_fields_are_accepted(server, fields):
    assert server.post(ask(**fields)).status_code == 200


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not valid JSON"),
        (b'{"model": ', "line 1 column"),
        (b"\xff\xfe{}", "not valid JSON"),
        (b'{"model": "\\ud800"}', "not valid JSON"),
        (b"[" * 100_000, "recursion"),
        (b"[1]", "an array"),
        (b'"hi"', "a string"),
        (b"null", "null"),
    ],
    ids=["empty", "cut", "not-utf8", "lone-surrogate", "deep", "array", "string", "null"],
)
def test_a_body_that_is_no_json_object_says_where_it_breaks(server, body, words):
    error = refused(server, body)
    assert words in error["message"]
    assert error["code"] == "invalid_json"


def test_the_model_field_is_required(server):
    assert refused(server, b'{"messages": [{"role": "user", "content": "hi"}]}')["param"] == "model"


def test_the_openai_client_raises_its_own_class_with_the_field(server):
    with pytest.raises(openai.BadRequestError) as raised:
        server.openai().chat.completions.create(**ask(response_format={"type": "json_object"}))
    assert raised.value.param == "response_format"
    assert "JSON mode" in raised.value.message


def test_sampling_fields_reach_the_model(server):
    wishes = {
        "temperature": 0,
        "top_p": 0.25,
        "top_k": 40,
        "min_p": 0.1,
        "presence_penalty": -1,
        "frequency_penalty": 0.5,
        "repetition_penalty": 1.1,
        "seed": 7,
        "max_tokens": 9,
    }
    server.post(ask(**wishes, stop=["a", "b"]))
    params = server.model.calls[0].params
    assert {name: getattr(params, name) for name in wishes} == wishes
    assert params.stop == ("a", "b")


def test_a_silent_request_samples_with_the_hosted_services_defaults(server):
    server.post(ask(top_k=-1, stop="x"))
    params = server.model.calls[0].params
    assert (params.temperature, params.top_p, params.top_k, params.max_tokens) == (0.5, 0.9, 0, None)
    assert params.stop == ("x",)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_tokens": 5, "max_completion_tokens": 6}, 6),
        ({"max_tokens": 5, "max_output_tokens": 7}, 5),
        ({"max_output_tokens": 7}, 7),
    ],
    ids=str,
)
def test_max_completion_tokens_wins_and_max_output_tokens_is_an_alias(server, fields, expected):
    server.post(ask(**fields))
    assert server.model.calls[0].params.max_tokens == expected


def test_messages_of_all_roles_and_spellings_arrive_as_one_form(server):
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    as_object = {"id": "c2", "function": {"name": "g", "arguments": {"b": [2]}}}
    no_arguments = {"id": "c3", "type": "function", "function": {"name": "h", "arguments": ""}}
    server.post(
        ask(
            messages=[
                {"role": "developer", "content": "be brief"},
                {"role": "system", "content": "note", "name": "observation"},
                {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
                {"role": "assistant", "content": None, "reasoning": "hm", "tool_calls": [call, as_object]},
                {"role": "tool", "tool_call_id": "c1", "content": "1"},
                {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "2"}]},
                {"role": "assistant", "reasoning_content": "so", "tool_calls": [no_arguments]},
                {"role": "assistant", "content": "done", "refusal": None, "annotations": []},
            ]
        )
    )
    assert server.model.calls[0].messages == (
        Message("system", "be brief"),
        Message("system", "note", name="observation"),
        Message("user", "ab"),
        Message(
            "assistant",
            reasoning="hm",
            tool_calls=(ToolCall("c1", "f", {"a": 1}), ToolCall("c2", "g", {"b": [2]})),
        ),
        Message("tool", "1", tool_call_id="c1"),
        Message("tool", "2", tool_call_id="c2"),
        Message("assistant", reasoning="so", tool_calls=(ToolCall("c3", "h", {}),)),
        Message("assistant", "done"),
    )


def test_an_answer_can_be_sent_back_as_history(server):
    answer = server.openai().chat.completions.create(**ask())
    history = [USER, answer.choices[0].message.model_dump(), USER]
    server.openai().chat.completions.create(model="step-3.5-flash", messages=history)
    assert server.model.calls[1].messages[1] == Message(
        "assistant", "There are 3.", reasoning="s-t-r-a-w-b-e-r-r-y: three r."
    )


def test_tools_arrive_with_the_json_that_was_sent(server):
    wire = tool(description="adds", parameters={"type": "object", "x": 1, "properties": {}}, extra=True)
    server.post(ask(tools=[wire, tool(name="bare")]))
    first, second = server.model.calls[0].tools
    assert (first.name, first.description, first.parameters) == ("f", "adds", wire["function"]["parameters"])
    assert json.dumps(first.wire) == json.dumps(wire)
    assert second.parameters == {"type": "object", "properties": {}}


def test_under_tool_choice_none_the_model_sees_no_tools(server):
    server.post(ask(tools=[tool()], tool_choice="none"))
    assert server.model.calls[0].tools == ()
