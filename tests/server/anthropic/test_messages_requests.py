"""What the fields of a Messages request come to, and which are refused by name."""

import logging

import pytest

from flashstep.server.settings import ServerSettings
from flashstep.types import FREE, AnswerRule, Message, ToolCall
from server.running_server import PlayedModel, serving

HI = {"role": "user", "content": "hi"}
WEATHER = {"name": "weather", "input_schema": {"type": "object", "properties": {}}}
TIME = {"type": "custom", "name": "time", "description": "Now.", "input_schema": {"type": "object"}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}}
WARNING = "X-Flashstep-Warning"


def ask(**fields) -> dict:
    return {"model": "step-3.5-flash", "max_tokens": 500, "messages": [HI]} | fields


def asked(server, **fields):
    """The call that arrives at the model."""
    response = server.post(ask(**fields), "/v1/messages")
    assert response.status_code == 200, response.text
    return server.model.calls[-1]


def refused(server, **fields) -> str:
    """The message of the 400 that answers a request; nothing reached the model."""
    response = server.post(ask(**fields), "/v1/messages")
    assert response.status_code == 400, response.text
    body = response.json()
    assert body["type"] == "error"
    assert body["error"]["type"] == "invalid_request_error"
    assert body["request_id"] == response.headers["request-id"]
    assert not server.model.calls
    return body["error"]["message"]


def result(content, **fields) -> dict:
    return {"type": "tool_result", "tool_use_id": "toolu_1", "content": content} | fields


def text(value: str, **fields) -> dict:
    return {"type": "text", "text": value} | fields


def test_sampling_fields_arrive_as_given(server):
    params = asked(
        server, max_tokens=7, temperature=1.0, top_p=0.5, top_k=40, stop_sequences=["END", "\n\n"]
    ).params
    assert (params.max_tokens, params.temperature, params.top_p, params.top_k) == (7, 1.0, 0.5, 40)
    assert params.stop == ("END", "\n\n")


def test_silence_means_the_server_s_defaults(server):
    params = asked(server, temperature=None, top_k=None, stop_sequences=None).params
    settings = ServerSettings()
    assert (params.temperature, params.top_p) == (settings.temperature, settings.top_p)
    assert (params.top_k, params.stop) == (0, ())
    assert params.thinking_token_budget == 250, "thinking that nobody sees leaves half for the text"


def test_a_schema_and_a_call_that_is_required_exclude_each_other():
    form = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
    with serving(PlayedModel(), ServerSettings(json_mode=True)) as server:
        message = refused(server, tools=[TIME], tool_choice={"type": "any"}, output_config=form)
    assert message.startswith("output_config.format: a JSON answer and a tool_choice")


@pytest.mark.parametrize(
    ("thinking", "max_tokens", "budget"),
    [
        ({"type": "enabled", "budget_tokens": 1500}, 500, 1500),
        ({"type": "adaptive"}, 500, None),
        ({"type": "between_tools"}, 500, None),
        ({"type": "disabled"}, 5000, ServerSettings().hidden_thinking_tokens),
        ({"type": "disabled"}, 500, 250),
    ],
)
def test_a_thinking_budget_closes_the_reasoning_and_leaves_the_temperature_alone(
    server, thinking, max_tokens, budget
):
    params = asked(server, thinking=thinking, max_tokens=max_tokens, temperature=0.3).params
    assert params.thinking_token_budget == budget
    assert params.temperature == 0.3


def test_who_asks_for_no_thinking_is_told_that_it_stays_on(server):
    response = server.post(ask(thinking={"type": "disabled"}), "/v1/messages")
    assert "always thinks" in response.headers[WARNING]
    silent = server.post(ask(), "/v1/messages")
    assert "no thinking was asked for" in silent.headers[WARNING]
    assert WARNING not in server.post(ask(thinking={"type": "adaptive"}), "/v1/messages").headers


def test_unknown_and_foreign_fields_are_ignored_and_unknown_ones_logged(server, caplog):
    with caplog.at_level(logging.INFO, logger="flashstep.server"):
        asked(
            server,
            metadata={"user_id": "u"},
            service_tier="auto",
            betas=["x"],
            cache_control={"type": "ephemeral"},
            context_management={"edits": []},
            output_config={"effort": "high"},
            invented=1,
            prompt_cache_key="a",
        )
    [line] = [r.getMessage() for r in caplog.records if "unknown request fields" in r.getMessage()]
    assert "invented" in line
    assert "metadata" not in line
    assert "prompt_cache_key" not in line


@pytest.mark.parametrize(
    ("field", "value", "advice"),
    [
        ("seed", 7, "/v1/chat/completions"),
        ("n", 2, "/v1/chat/completions"),
        ("frequency_penalty", 0.5, "/v1/chat/completions"),
        ("logit_bias", {"5": -100}, "/v1/chat/completions"),
        ("stop", "END", "stop_sequences"),
        ("response_format", {"type": "json_object"}, "output_config.format"),
        ("guided_json", {}, "output_config.format"),
        ("max_completion_tokens", 5, "max_tokens"),
        ("thinking_token_budget", 5, "budget_tokens"),
        ("bad_words", ["x"], "leave it out"),
        ("stop_token_ids", [5], "/v1/chat/completions"),
        ("repetition_guard", False, "/v1/chat/completions"),
        ("top_logprobs", 3, "/v1/chat/completions"),
        ("reasoning", {"effort": "none"}, "budget_tokens"),
        ("reasoning_format", "general", "budget_tokens"),
        ("chat_template_kwargs", {"enable_thinking": False}, "budget_tokens"),
        ("enable_thinking", True, "budget_tokens"),
        ("include_reasoning", False, "budget_tokens"),
    ],
)
def test_fields_of_other_forms_are_refused_and_not_ignored(server, field, value, advice):
    message = refused(server, **{field: value})
    assert message.startswith(f"{field}: ")
    assert advice in message


def test_values_of_such_fields_that_ask_for_nothing_are_taken(server, caplog):
    with caplog.at_level(logging.INFO, logger="flashstep.server"):
        asked(
            server,
            seed=None,
            n=1,
            stop=[],
            presence_penalty=0.0,
            frequency_penalty=0,
            response_format={"type": "text"},
        )
    assert not [r for r in caplog.records if "unknown request fields" in r.getMessage()]


def test_an_effort_is_said_to_change_nothing(server):
    response = server.post(ask(output_config={"effort": "high"}), "/v1/messages")
    assert response.status_code == 200
    assert "output_config.effort has no effect" in response.headers[WARNING]


def test_the_system_prompt_is_a_text_or_blocks(server):
    assert asked(server, system="Be brief.").messages[0] == Message("system", "Be brief.")
    blocks = [text("You are A."), text("Be brief.", cache_control={"type": "ephemeral"})]
    assert asked(server, system=blocks).messages[0] == Message("system", "You are A.\n\nBe brief.")
    assert asked(server, system=[]).messages == (Message("user", "hi"),)


def test_bookkeeping_in_the_system_prompt_does_not_reach_the_model(server):
    header = text("x-anthropic-billing-header: cc_version=2.1; cch=00000;")
    assert asked(server, system=[header, text("Be brief.")]).messages[0].content == "Be brief."


def test_a_tool_loop_becomes_messages_with_reasoning_calls_and_results(server):
    thinking = {"type": "thinking", "thinking": "Paris, then.", "signature": "s"}
    redacted = {"type": "redacted_thinking", "data": "x"}
    messages = [
        {"role": "user", "content": [text("Look."), text("Weather?")]},
        {"role": "assistant", "content": [thinking, redacted, text("One "), text("moment."), CALL]},
        {"role": "user", "content": [text("Go on."), result([text("sunny"), text("warm")])]},
    ]
    assert asked(server, messages=messages).messages == (
        Message("user", "Look.\n\nWeather?"),
        Message(
            "assistant",
            "One moment.",
            reasoning="Paris, then.",
            tool_calls=(ToolCall("toolu_1", "weather", {"city": "Paris"}),),
        ),
        Message("tool", "sunny\n\nwarm", tool_call_id="toolu_1"),
        Message("user", "Go on."),
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (result("sunny"), "sunny"),
        (result(None), ""),
        ({"type": "tool_result", "tool_use_id": "toolu_1"}, ""),
        (result("no such city", is_error=True), "Error: no such city"),
        (result("Error: no such city", is_error=True), "Error: no such city"),
        (result("<tool_use_error>no</tool_use_error>", is_error=True), "<tool_use_error>no</tool_use_error>"),
    ],
)
def test_the_model_reads_a_tool_s_result_and_whether_it_failed(server, given, told):
    messages = [HI, {"role": "assistant", "content": [CALL]}, {"role": "user", "content": [given]}]
    assert asked(server, messages=messages).messages[-1] == Message("tool", told, tool_call_id="toolu_1")


def test_neighbours_of_one_role_are_one_turn(server):
    messages = [
        HI,
        {"role": "user", "content": "there"},
        {"role": "assistant", "content": "Yes"},
        {"role": "assistant", "content": [CALL]},
        {"role": "user", "content": [result("a")]},
        {"role": "user", "content": [result("b")]},
        {"role": "system", "content": "Hurry."},
        HI,
    ]
    roles = [(m.role, m.content) for m in asked(server, messages=messages).messages]
    assert roles == [
        ("user", "hi\n\nthere"), ("assistant", "Yes"), ("tool", "a"), ("tool", "b"), ("system", "Hurry."),
        ("user", "hi"),
    ]  # fmt: skip


def test_tools_are_shown_in_the_form_of_chat_completions(server):
    [tool] = asked(server, tools=[TIME | {"cache_control": {"type": "ephemeral"}, "strict": True}]).tools
    assert tool.wire == {
        "type": "function",
        "function": {
            "name": "time", "description": "Now.", "parameters": {"type": "object"}, "strict": True
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "rule"),
    [
        (None, FREE),
        ({"type": "auto"}, FREE),
        ({"type": "auto", "disable_parallel_tool_use": True}, AnswerRule(max_calls=1)),
        ({"type": "any"}, AnswerRule(required_tools=())),
        (
            {"type": "any", "disable_parallel_tool_use": True},
            AnswerRule(required_tools=(), max_calls=1),
        ),
        ({"type": "tool", "name": "time"}, AnswerRule(required_tools=("time",))),
    ],
)
def test_tool_choice_becomes_a_rule_of_the_answer(server, choice, rule):
    call = asked(server, tools=[WEATHER, TIME], tool_choice=choice)
    assert call.rule == rule
    assert [tool.name for tool in call.tools] == ["weather", "time"]


def test_under_tool_choice_none_the_model_is_shown_no_tools(server):
    assert asked(server, tools=[WEATHER], tool_choice={"type": "none"}).tools == ()


def test_tools_of_the_hosted_service_are_left_out_with_a_warning(server):
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}
    response = server.post(ask(tools=[search, WEATHER]), "/v1/messages")
    assert "web_search_20250305" in response.headers[WARNING]
    assert [tool.name for tool in server.model.calls[-1].tools] == ["weather"]


IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}


@pytest.mark.parametrize(
    ("fields", "place", "reason"),
    [
        ({"max_tokens": None}, "max_tokens", "integer"),
        ({"max_tokens": 0}, "max_tokens", "greater than or equal to 1"),
        ({"messages": []}, "messages", "at least 1"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role", "'user'"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "required"),
        ({"messages": [{"role": "user", "content": [IMAGE]}]}, "messages[0].content[0]", "text only"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]", "a block of type"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0].text",
            "required",
        ),
        (
            {"messages": [{"role": "user", "content": [result([IMAGE])]}]},
            "messages[0].content[0].content",
            "text only",
        ),
        ({"messages": [{"role": "user", "content": [CALL]}]}, "messages[0].content[0].type", "'tool_use'"),
        (
            {"messages": [HI, {"role": "assistant", "content": [result("x")]}]},
            "messages[1].content[0].type",
            "'tool_result'",
        ),
        ({"messages": [HI, {"role": "assistant", "content": "The"}]}, "messages[1].role", "user message"),
        ({"system": [IMAGE]}, "system", "text only"),
        ({"temperature": 2.5}, "temperature", "2.5"),
        ({"top_p": 0}, "top_p", "0"),
        ({"top_k": -2}, "top_k", "-2"),
        ({"stop_sequences": [""]}, "stop_sequences[0]", "at least 1"),
        ({"thinking": {"type": "enabled", "budget_tokens": -1}}, "thinking.budget_tokens", "-1"),
        ({"tools": [{"name": "x"}]}, "tools[0].input_schema", "required"),
        ({"tools": [{"input_schema": {"type": "object"}}]}, "tools[0].name", "required"),
        ({"tools": [{"name": "x", "input_schema": {"type": "array"}}]}, "tools[0].input_schema", "'array'"),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools[0].type", "'bash_20250124'"),
        ({"tools": [{"type": "web_search_\r\nX-Own: 1", "name": "x"}]}, "tools[0].type", "schema"),
        ({"tools": [WEATHER, WEATHER]}, "tools[1].name", "twice"),
        ({"tool_choice": {"type": "any"}}, "tool_choice", "'any'"),
        ({"tools": [TIME], "tool_choice": {"type": "tool", "name": "x"}}, "tool_choice.name", "'x'"),
        ({"mcp_servers": [{"url": "http://x"}]}, "mcp_servers", "no MCP server"),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {}}}},
            "output_config.format",
            "--json-mode on",
        ),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(server, fields, place, reason):
    message = refused(server, **fields)
    assert message.startswith(f"{place}: ")
    assert reason in message


def test_a_schema_is_a_rule_of_the_answer_under_json_mode():
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    with serving(PlayedModel(), ServerSettings(json_mode=True)) as server:
        call = asked(server, output_config={"format": {"type": "json_schema", "schema": schema}})
    assert call.rule.json_schema == schema


def test_counting_checks_the_request_too(server):
    path = "/v1/messages/count_tokens"
    counted = server.post({"model": "step-3.5-flash", "messages": [HI], "system": "abc"}, path)
    assert counted.json() == {"input_tokens": len("hi" + "abc")}
    assert server.post({"model": "gpt", "messages": [HI]}, path).json()["error"]["type"] == "not_found_error"
    assert server.post({"model": "step-3.5-flash", "messages": []}, path).status_code == 400
    assert not server.model.calls


def test_a_conversation_that_ends_with_the_assistant_can_be_counted_and_not_answered(scripted):
    messages = [HI, {"role": "assistant", "content": "Three."}]
    with scripted(["a\n</think>\nb"]) as served:
        begun = served.client.messages.count_tokens(model="step-3.5-flash", messages=messages[:1])
        whole = served.client.messages.count_tokens(model="step-3.5-flash", messages=messages)
        response = served.server.post(ask(messages=messages), "/v1/messages")
    assert whole.input_tokens > begun.input_tokens
    assert response.status_code == 400
    assert not served.backend.requests
