"""What a Responses request becomes, and how a wrong one is refused."""

import json
import math

import pytest

from flashstep.server.settings import ServerSettings
from flashstep.types import FREE, AnswerRule, Message, ToolCall
from server.running_server import PlayedModel, serving

PATH = "/v1/responses"
LOOK = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}
FIND = {"type": "function", "name": "find", "description": "Finds."}
RUN = {"type": "custom", "name": "run", "description": "Runs."}


def ask(**fields):
    return {"model": "step-3.5-flash", "input": "hi"} | fields


def call_for(server, **fields):
    """What the model was asked."""
    response = server.post(ask(**fields), path=PATH)
    assert response.status_code == 200, response.text
    return server.model.calls[-1]


def refusal(server, **fields):
    response = server.post(ask(**fields), path=PATH)
    assert response.status_code == 400, response.text
    assert not server.model.calls
    return response.json()["error"]


def test_items_become_the_turns_they_came_from(server):
    items = [
        {"role": "developer", "content": "Be brief."},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [text("reasoning_text", "hm")]},
        {"type": "message", "role": "assistant", "content": [text("output_text", "I look.")]},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"at": 1}'},
        {"type": "custom_tool_call", "call_id": "c2", "name": "run", "input": "ls"},
        {"type": "function_call_output", "call_id": "c1", "output": [text("input_text", "a wall")]},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "files"},
        {"type": "reasoning", "summary": [text("summary_text", "so"), text("summary_text", "then")]},
        {"type": "message", "role": "assistant", "content": "Commentary.", "phase": "commentary"},
        {"type": "message", "role": "assistant", "content": "A wall.", "phase": "final_answer"},
        {"type": "reasoning", "summary": [], "encrypted_content": "gAAAA"},
        {"role": "user", "content": "b"},
    ]
    assert call_for(server, input=items, instructions="Help.").messages == (
        Message("system", "Help."),
        Message("system", "Be brief."),
        Message("user", "a"),
        Message(
            "assistant",
            "I look.",
            reasoning="hm",
            tool_calls=(ToolCall("c1", "look", {"at": 1}), ToolCall("c2", "run", {"input": "ls"})),
        ),
        Message("tool", "a wall", tool_call_id="c1"),
        Message("tool", "files", tool_call_id="c2"),
        Message("assistant", "Commentary.", reasoning="so\n\nthen"),
        Message("assistant", "A wall."),
        Message("user", "b"),
    )


def text(kind: str, value: str) -> dict[str, str]:
    return {"type": kind, "text": value}


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"type": "item_reference", "id": "msg_1"}, "input[1]"),
        ({"id": "msg_1"}, "input[1]"),
        ({"type": "web_search_call", "id": "ws_1"}, "input[1].type"),
        ({"type": "message", "role": "tool", "content": "x"}, "input[1].role"),
        ({"role": "user"}, "input[1].content"),
        ({"role": "user", "content": [{"type": "input_image", "image_url": "data:"}]}, "input[1].content"),
        ({"type": "function_call", "call_id": "c", "name": "x", "arguments": "{"}, "input[1].arguments"),
        ({"type": "function_call_output", "output": "x"}, "input[1].call_id"),
        ("hello", "input[1]"),
    ],
)
def test_a_wrong_item_is_named(server, item, param):
    error = refusal(server, input=[{"role": "user", "content": "hi"}, item])
    assert error["param"] == param
    assert error["message"].startswith(f"{param}:")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("previous_response_id", "resp_1"),
        ("conversation", {"id": "conv_1"}),
        ("background", True),
        ("prompt", {"id": "pmpt_1"}),
        ("response_format", {"type": "json_object"}),
        ("n", 2),
        ("input", 7),
        ("temperature", 3),
        ("max_output_tokens", 0),
        ("top_logprobs", 21),
        ("metadata", "a"),
        ("tool_choice", "always"),
        ("guided_json", {"type": "object"}),
        ("structured_outputs", {"regex": "a"}),
        ("functions", [{"name": "f"}]),
        ("min_tokens", 5),
        ("best_of", 2),
        ("bad_words", ["x"]),
        ("logprobs", True),
        ("reasoning_format", "general"),
        ("reasoning_effort", "none"),
        ("thinking", {"type": "disabled"}),
        ("enable_thinking", False),
        ("chat_template_kwargs", {"enable_thinking": False}),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(server, field, value):
    assert refusal(server, **{field: value})["param"] == field


def test_a_budget_may_be_written_as_a_float(server):
    assert call_for(server, reasoning={"max_tokens": 5.0}).params.thinking_token_budget == 5


def test_minus_1_lets_an_answer_have_what_fits(server):
    assert call_for(server, max_output_tokens=-1).params.max_tokens is None


def test_a_continued_response_is_told_what_to_do_instead(server):
    error = refusal(server, previous_response_id="resp_1")
    assert error["code"] == "unsupported_parameter"
    assert "send the whole conversation as input" in error["message"]


@pytest.mark.parametrize("field", ["previous_response_id", "conversation", "tools", "text", "reasoning"])
def test_null_means_not_given(server, field):
    assert call_for(server, **{field: None}).messages == (Message("user", "hi"),)


def test_sampling_fields_reach_the_model(server):
    params = call_for(
        server, temperature=0.1, top_p=0.2, max_output_tokens=9, seed=4, stop="x", presence_penalty=1
    ).params
    assert (params.temperature, params.top_p, params.max_tokens) == (0.1, 0.2, 9)
    assert (params.seed, params.stop, params.presence_penalty) == (4, ("x",), 1)
    assert params.logprobs is None


@pytest.mark.parametrize(
    ("fields", "names", "rule"),
    [
        ({}, ("look", "find", "run"), FREE),
        ({"tool_choice": "auto"}, ("look", "find", "run"), FREE),
        ({"tool_choice": "none"}, (), FREE),
        ({"tool_choice": "required"}, ("look", "find", "run"), AnswerRule(required_tools=())),
        (
            {"tool_choice": {"type": "function", "name": "find"}},
            ("look", "find", "run"),
            AnswerRule(required_tools=("find",), max_calls=1),
        ),
        (
            {"tool_choice": {"type": "custom", "name": "run"}, "parallel_tool_calls": False},
            ("look", "find", "run"),
            AnswerRule(required_tools=("run",), max_calls=1),
        ),
        (
            {"tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [FIND, RUN]}},
            ("find", "run"),
            AnswerRule(required_tools=()),
        ),
        (
            {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [LOOK]}},
            ("look",),
            FREE,
        ),
        ({"parallel_tool_calls": False}, ("look", "find", "run"), AnswerRule(max_calls=1)),
    ],
)
def test_tool_choice_becomes_the_rule_of_the_answer(server, fields, names, rule):
    call = call_for(server, tools=[LOOK, FIND, RUN], **fields)
    assert tuple(tool.name for tool in call.tools) == names
    assert call.rule == rule


@pytest.mark.parametrize(
    "choice",
    [
        {"type": "function", "name": "gone"},
        {"type": "web_search"},
        {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "gone"}]},
        {"type": "allowed_tools", "mode": "auto", "tools": "all"},
        {"type": "allowed_tools", "mode": "required", "tools": [{"type": "web_search"}]},
    ],
)
def test_a_choice_that_no_declared_tool_can_meet_is_refused(server, choice):
    assert refusal(server, tools=[LOOK], tool_choice=choice)["param"] == "tool_choice"


def test_a_call_cannot_be_required_of_no_tools(server):
    assert refusal(server, tools=[{"type": "web_search"}], tool_choice="required")["param"] == "tool_choice"


@pytest.mark.parametrize(
    ("tools", "param"),
    [
        ([LOOK, LOOK], "tools[1].name"),
        ([{"type": "function", "name": "a b"}], "tools[0].name"),
        ([{"type": "function", "function": {"name": "look"}}], "tools[0].name"),
        ([{"type": "function", "name": "x", "parameters": {"type": "array"}}], "tools[0].parameters"),
        ([{"type": "custom", "name": "x", "format": {"type": "xml"}}], "tools[0].format.type"),
        ([{"name": "x"}], "tools[0].type"),
    ],
)
def test_a_wrong_tool_is_named(server, tools, param):
    assert refusal(server, tools=tools)["param"] == param


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        (
            {"tools": [LOOK, FIND | {"parameters": {"type": "object", "x": [1, math.nan]}}]},
            "tools[1].parameters.x[1]",
        ),
        ({"tools": [RUN | {"more": math.inf}]}, "tools[0].more"),
        (
            {"tools": [LOOK], "tool_choice": {"type": "function", "name": "look", "x": math.nan}},
            "tool_choice.x",
        ),
        (
            {"text": {"format": {"type": "json_schema", "name": "x", "schema": {"default": -math.inf}}}},
            "text.format.schema.default",
        ),
    ],
    ids=["function", "custom", "choice", "schema"],
)
def test_a_number_that_json_cannot_repeat_is_refused_by_name(server, fields, param, stream):
    response = server.post(content=json.dumps(ask(stream=stream, **fields)).encode(), path=PATH)
    assert response.status_code == 400, response.text
    assert not server.model.calls
    assert response.json()["error"]["param"] == param


def test_a_strict_function_stays_strict_and_is_shown_as_chat_completions_show_it(server):
    tool = call_for(server, tools=[LOOK | {"strict": True, "description": "Looks."}]).tools[0]
    assert tool.wire == {
        "type": "function",
        "function": {
            "name": "look",
            "description": "Looks.",
            "parameters": LOOK["parameters"],
            "strict": True,
        },
    }


def test_thinking_can_be_hidden_and_bounded(server):
    response = server.post(ask(reasoning={"effort": "none"}), path=PATH)
    assert [item["type"] for item in response.json()["output"]] == ["message"]
    assert "always thinks" in response.headers["X-Flashstep-Warning"]
    assert server.model.calls[0].params.thinking_token_budget == ServerSettings().hidden_thinking_tokens
    short = call_for(server, reasoning={"effort": "none"}, max_output_tokens=100)
    assert short.params.thinking_token_budget == 50, "half of it is left for the answer"
    given = call_for(server, reasoning={"budget": 60}, max_output_tokens=100)
    assert given.params.thinking_token_budget == 60
    assert call_for(server, reasoning={"effort": "low"}).params.thinking_token_budget is None


def test_a_verbosity_is_said_to_change_nothing(server):
    response = server.post(ask(text={"verbosity": "low"}), path=PATH)
    assert response.status_code == 200
    assert "text.verbosity has no effect" in response.headers["X-Flashstep-Warning"]


@pytest.mark.parametrize(
    ("text_format", "schema"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, {}),
        ({"type": "json_schema", "name": "x", "schema": {"type": "array"}}, {"type": "array"}),
    ],
)
def test_the_text_format_becomes_the_rule_of_the_answer_in_json_mode(text_format, schema):
    with serving(PlayedModel(), ServerSettings(json_mode=True)) as server:
        assert call_for(server, text={"format": text_format}).rule == AnswerRule(json_schema=schema)


def test_the_response_says_what_was_in_effect(server):
    asked = ask(
        store=True,
        metadata={"a": "b"},
        truncation="auto",
        service_tier="flex",
        prompt_cache_key="k",
        user="u",
        safety_identifier="s",
        tools=[FIND],
        unheard_of=1,
    )
    response = server.post(asked, path=PATH)
    body = response.json()
    assert body["store"] is False
    assert body["truncation"] == "disabled"
    assert body["service_tier"] == "default"
    assert body["metadata"] == {"a": "b"}
    assert (body["prompt_cache_key"], body["user"], body["safety_identifier"]) == ("k", "u", "s")
    assert (body["temperature"], body["top_p"]) == (ServerSettings().temperature, ServerSettings().top_p)
    assert body["tools"] == [FIND | {"parameters": None, "strict": False}]
    assert "truncation" in response.headers["X-Flashstep-Warning"]
    assert body["trace_id"] == response.headers["X-Trace-Id"]


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
def test_a_stored_response_is_not_found_and_the_reason_is_given(server, method):
    path = "/v1/responses/resp_1/cancel" if method == "POST" else "/v1/responses/resp_1"
    response = server.get(path) if method == "GET" else server.post(path=path)
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "response_not_found"
    assert "nothing is stored here" in response.json()["error"]["message"]


def test_the_hosted_service_s_path_answers_too(server):
    assert server.post(ask(), path="/step_plan/v1/responses").json()["object"] == "response"


def test_an_unknown_model_is_refused(server):
    assert server.post(ask(model="gone"), path=PATH).json()["error"]["code"] == "model_not_found"
