"""What a request may hold: each wrong field is a 400 that names it, and the server lives on."""

import json
import math

import httpx
import openai
import pytest

from server.running_server import ask
from server.wire_forms import USER, allowed, assistant, json_schema, named, tool

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
    ({"repetition_penalty": 1e-38}, "repetition_penalty", "1e-38 is outside [0.01, 10.0]"),
    ({"seed": "x"}, "seed", "'x'"),
    ({"seed": 1 << 70}, "seed", "less than"),
    ({"stop": [""]}, "stop", "empty"),
    ({"stop": [1]}, "stop[0]", "string"),
    ({"stop": 5}, "stop", "5"),
    ({"max_tokens": 0}, "max_tokens", "0"),
    ({"max_tokens": -2}, "max_tokens", "-2"),
    ({"max_tokens": 1.5}, "max_tokens", "1.5"),
    ({"max_completion_tokens": "10"}, "max_completion_tokens", "'10'"),
    ({"stream": "yes"}, "stream", "'yes'"),
    ({"stream_options": True}, "stream_options", "True"),
    ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage", "1"),
    ({"include_reasoning": "no"}, "include_reasoning", "'no'"),
    ({"reasoning_format": "xml"}, "reasoning_format", "'general' or 'deepseek-style'"),
    ({"reasoning_effort": "huge"}, "reasoning_effort", "huge"),
    ({"reasoning_effort": ["low"]}, "reasoning_effort", "low"),
    ({"n": 0}, "n", "greater than or equal to 1"),
    ({"n": True}, "n", "True"),
    ({"n": 17}, "n", "more than the 16 answers"),
    ({"logprobs": 1}, "logprobs", "1"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "21"),
    ({"top_logprobs": 3}, "top_logprobs", "logprobs: true"),
    ({"logit_bias": {"a": 1}}, "logit_bias", "'a' is not a token id"),
    ({"logit_bias": {"-1": 1}}, "logit_bias", "'-1'"),
    ({"logit_bias": {"1000": 1}}, "logit_bias", "[0, 1000)"),
    ({"logit_bias": {"9" * 5000: 1}}, "logit_bias", "is not a token id"),
    ({"logit_bias": {"5": 101}}, "logit_bias.5", "101"),
    ({"logit_bias": {"5": math.nan}}, "logit_bias.5", "nan"),
    ({"logit_bias": {"5": "x"}}, "logit_bias.5", "'x'"),
    ({"stop_token_ids": [1000]}, "stop_token_ids", "[0, 1000)"),
    ({"repetition_guard": "on"}, "repetition_guard", "'on'"),
    ({"thinking_token_budget": -1}, "thinking_token_budget", "-1"),
    ({"reasoning": 5}, "reasoning", "5"),
    ({"reasoning": {"effort": "huge"}}, "reasoning.effort", "huge"),
    ({"reasoning": {"max_tokens": -5}}, "reasoning.max_tokens", "-5"),
    ({"thinking": {"budget_tokens": "x"}}, "thinking.budget_tokens", "'x'"),
    ({"chat_template_kwargs": "odd"}, "chat_template_kwargs", "'odd'"),
    ({"stream_options": {"continuous_usage_stats": 1}}, "stream_options.continuous_usage_stats", "1"),
    ({"messages": [{"role": "assistant", "reasoning_details": "x"}]}, "messages[0].reasoning_details", "'x'"),
    ({"parallel_tool_calls": "no"}, "parallel_tool_calls", "'no'"),
    ({"tool_choice": "maybe"}, "tool_choice", "'maybe' is not one of"),
    ({"tool_choice": {"type": "function"}}, "tool_choice", "is not one of"),
    ({"tool_choice": {"type": "custom", "custom": {"name": "f"}}}, "tool_choice", "custom tools"),
    ({"tool_choice": "required"}, "tool_choice", "declare one in tools"),
    ({"tools": [tool()], "tool_choice": named("g")}, "tool_choice", "no tool named 'g'; tools has ['f']"),
    ({"tools": [tool()], "tool_choice": allowed("auto", "g")}, "tool_choice", "no tool named 'g'"),
    ({"tools": [tool()], "tool_choice": allowed("required")}, "tool_choice", "no tool to call"),
    ({"tools": [tool()], "tool_choice": allowed("none", "f")}, "tool_choice", "is not one of"),
    ({"response_format": "json"}, "response_format", "'json'"),
    ({"response_format": {"type": "xml"}}, "response_format.type", "'xml'"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "required"),
    ({"response_format": {"type": "json_object"}}, "response_format", "--json-mode on"),
    ({"response_format": json_schema()}, "response_format", "--json-mode on"),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}},
        "response_format.json_schema.name",
        "required",
    ),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
        "response_format.json_schema.schema",
        "required",
    ),
    ({"tools": {}}, "tools", "list"),
    ({"stop": [f"s{i}" for i in range(65)]}, "stop", "at most 64"),
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
        ("functions", [{"name": "f"}]),
        ("function_call", {"name": "f"}),
        ("audio", {"voice": "x"}),
        ("modalities", ["text", "audio"]),
        ("moderation", {"model": "m"}),
        ("web_search_options", {}),
        ("min_tokens", 5),
        ("best_of", True),
        ("guided_json", {"type": "object"}),
        ("structured_outputs", {"regex": "a"}),
        ("continue_final_message", True),
        ("allowed_token_ids", [1]),
        ("bad_words", ["x"]),
        ("include_stop_str_in_output", True),
        ("chat_template", "{{ x }}"),
        ("truncate_prompt_tokens", 5),
        ("prompt_logprobs", 1),
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
        {"tool_choice": "none", "parallel_tool_calls": False},
        {"response_format": {"type": "text"}, "modalities": ["text"]},
        {"min_tokens": 0, "best_of": 1, "functions": [], "function_call": "none"},
        {"functions": None, "audio": None, "temperature": None, "stop": None, "tools": None, "stream": None},
        {"user": "u", "metadata": {"a": "b"}, "store": True, "service_tier": "auto", "verbosity": "low"},
        {"safety_identifier": "s", "prompt_cache_key": "k", "made_up_field": [1, 2]},
        {"chat_template_kwargs": {"other": 1}, "reasoning": {"summary": "auto"}, "thinking": {"type": "new"}},
        {"prediction": {"type": "content", "content": "x"}},
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


@pytest.mark.parametrize("kind", ["image_url", "input_audio", "video_url", "file"])
def test_content_that_is_no_text_is_refused_with_a_code(server, kind):
    body = ask(messages=[{"role": "user", "content": [{"type": kind, kind: {}}]}])
    assert refused(server, json.dumps(body).encode())["code"] == "unsupported_content_type"


@pytest.mark.parametrize("form", ["custom", "web_search", "retrieval"])
def test_a_tool_of_another_type_is_refused_with_the_way_out(server, form):
    error = refused(server, json.dumps(ask(tools=[{"type": form, form: {"name": "f"}}])).encode())
    assert error["param"] == "tools[0].type"
    assert "declare a function" in error["message"]
