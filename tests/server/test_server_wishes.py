"""What a request asks for reaches the model, in whichever of the clients' spellings it comes."""

import json

import pytest

from flashstep.server.settings import ServerSettings
from flashstep.types import AnswerRule, Message, ToolCall
from server.running_server import PlayedModel, ask, serving
from server.wire_forms import USER, allowed, json_schema, named, tool


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
        ({"max_tokens": -1}, None),
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


@pytest.mark.parametrize(
    ("fields", "shown", "rule"),
    [
        ({}, "fg", AnswerRule()),
        ({"tool_choice": "auto"}, "fg", AnswerRule()),
        ({"tool_choice": "required"}, "fg", AnswerRule(required_tools=())),
        ({"tool_choice": named("g")}, "fg", AnswerRule(required_tools=("g",), max_calls=1)),
        ({"tool_choice": allowed("auto", "g")}, "g", AnswerRule()),
        ({"tool_choice": allowed("required", "g")}, "g", AnswerRule(required_tools=())),
        ({"tool_choice": allowed("auto")}, "", AnswerRule()),
        ({"parallel_tool_calls": False}, "fg", AnswerRule(max_calls=1)),
        (
            {"tool_choice": "required", "parallel_tool_calls": False},
            "fg",
            AnswerRule(required_tools=(), max_calls=1),
        ),
    ],
    ids=str,
)
def test_the_choice_of_tools_becomes_a_rule_for_the_answer(server, fields, shown, rule):
    assert server.post(ask(tools=[tool(), tool(name="g")], **fields)).status_code == 200
    call = server.model.calls[0]
    assert "".join(t.name for t in call.tools) == shown
    assert call.rule == rule


@pytest.fixture(scope="module")
def json_server():
    """A server with JSON mode on."""
    with serving(PlayedModel(), ServerSettings(json_mode=True)) as running:
        yield running


@pytest.mark.parametrize(
    ("form", "schema"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, {}),
        (json_schema(), json_schema()["json_schema"]["schema"]),
        (json_schema(strict=True, description="d"), json_schema()["json_schema"]["schema"]),
    ],
    ids=str,
)
def test_with_json_mode_on_the_form_becomes_a_rule_for_the_answer(json_server, form, schema):
    assert json_server.post(ask(response_format=form)).status_code == 200
    assert json_server.model.calls[-1].rule == AnswerRule(json_schema=schema)


def test_json_may_be_asked_for_beside_tools_but_not_beside_a_required_call(json_server):
    fields = {"response_format": {"type": "json_object"}, "tools": [tool()]}
    assert json_server.post(ask(**fields)).status_code == 200
    assert json_server.model.calls[-1].rule == AnswerRule(json_schema={})
    response = json_server.post(ask(**fields, tool_choice="required"))
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "response_format"
    assert "exclude each other" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("fields", "budget"),
    [
        ({}, None),
        ({"thinking_token_budget": 0}, 0),
        ({"thinking_token_budget": 9, "reasoning": {"max_tokens": 8}}, 9),
        ({"reasoning": {"max_tokens": 8}}, 8),
        ({"thinking": {"type": "enabled", "budget_tokens": 7}}, 7),
        ({"thinking": {"type": "disabled"}}, 1024),
        ({"reasoning_effort": "minimal"}, 1024),
        ({"reasoning": {"enabled": False}}, 1024),
        ({"reasoning_effort": "none", "max_tokens": 5000}, 1024),
        ({"reasoning_effort": "none", "max_tokens": 500}, 250),
        ({"enable_thinking": False, "max_completion_tokens": 31, "max_tokens": 500}, 15),
        ({"thinking": {"type": "disabled"}, "max_tokens": 1}, 1),
        ({"thinking": {"type": "disabled"}, "max_tokens": -1}, 1024),
        ({"thinking_token_budget": 400, "reasoning_effort": "none", "max_tokens": 500}, 400),
        ({"reasoning": {"effort": "none"}, "thinking_token_budget": 5}, 5),
        ({"reasoning": {"exclude": True}}, None),
        ({"reasoning_effort": "high"}, None),
    ],
    ids=str,
)
def test_a_thinking_budget_is_taken_under_each_name_and_no_thinking_becomes_little(server, fields, budget):
    assert server.post(ask(**fields)).status_code == 200
    assert server.model.calls[0].params.thinking_token_budget == budget


@pytest.mark.parametrize(
    ("fields", "expected"),
    [({}, None), ({"logprobs": True}, 0), ({"logprobs": True, "top_logprobs": 4}, 4)],
    ids=str,
)
def test_scores_are_computed_when_they_are_asked_for(server, fields, expected):
    server.post(ask(**fields))
    assert server.model.calls[0].params.logprobs == expected


def test_biases_stop_ids_and_the_guard_reach_the_model(server):
    fields = {"logit_bias": {"5": -100, "7": 1.5}, "stop_token_ids": [3], "ignore_eos": True}
    server.post(ask(**fields, repetition_guard=False))
    params = server.model.calls[0].params
    assert (params.logit_bias, params.stop_token_ids) == (((5, -100), (7, 1.5)), (3,))
    assert (params.ignore_eos, params.repetition_guard) == (True, False)


@pytest.mark.parametrize(
    "message",
    [
        {"reasoning": "so"},
        {"reasoning_content": "so"},
        {"reasoning_text": "so"},
        {"reasoning": "", "reasoning_content": "so"},
        {"reasoning": "so", "reasoning_content": "so"},
        {"reasoning_details": [{"type": "reasoning.text", "text": "s"}, {"type": "x", "summary": "o"}]},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "?"}], "reasoning": "so"},
    ],
    ids=str,
)
def test_reasoning_can_be_sent_back_under_each_name(server, message):
    server.post(ask(messages=[USER, {"role": "assistant", "content": "3", **message}, USER]))
    assert server.model.calls[0].messages[1] == Message("assistant", "3", reasoning="so")


def test_text_parts_are_read_in_all_roles(server):
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": {}}]
    roles = ["developer", "system", "user", "assistant", "tool"]
    server.post(ask(messages=[{"role": role, "content": parts} for role in roles]))
    assert [message.content for message in server.model.calls[0].messages] == ["ab"] * 5
    server.post(
        ask(messages=[{"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}, USER])
    )
    assert server.model.calls[1].messages[0].content == "no"


def test_under_tool_choice_none_the_model_sees_no_tools(server):
    server.post(ask(tools=[tool()], tool_choice="none"))
    assert server.model.calls[0].tools == ()
