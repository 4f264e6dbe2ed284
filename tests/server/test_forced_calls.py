"""Calls that must be made, and calls that break off, from the request to both forms of the answer."""

import json

import anthropic
import pytest

from flashstep.server.settings import ServerSettings
from server.running_server import ask, serving
from server.scripted_model import scripted
from server.wire_forms import USER, assistant, named

FORM = {"type": "object", "properties": {"path": {"type": "string"}, "text": {"type": "string"}}}
UNIQUE = {"type": "object", "properties": {"tags": {"type": "array", "uniqueItems": True}}}
LONG = "word " * 300
START = "hm\n</think>\n<tool_call>\n<function=write>\n<parameter=path>\na\n</parameter>\n<parameter=text>\n"
CALL = "hm\n</think>\n<tool_call>\n<function=ok>\n</function>\n</tool_call>"
PARTLY = '{"path": "a", "text": "'


def tool(name, parameters, **more):
    return {"type": "function", "function": {"name": name, "parameters": parameters} | more}


@pytest.fixture(scope="module")
def caller():
    """A server whose model calls `ok`, and its backend."""
    model, backend = scripted(CALL)
    with serving(model, ServerSettings()) as server:
        yield server, backend


@pytest.fixture(scope="module")
def writer():
    """A server whose model writes a long call, which every limit on tokens here cuts."""
    model, _ = scripted(START + LONG * 4)
    with serving(model, ServerSettings()) as server:
        yield server


@pytest.mark.parametrize("choice", ["required", named("tagged")])
def test_a_tool_without_strict_can_be_forced_whatever_its_schema_holds(caller, choice):
    server, backend = caller
    tools = [tool("ok", FORM), tool("tagged", UNIQUE)]
    response = server.post(ask(tools=tools, tool_choice=choice))
    assert response.status_code == 200, response.text
    assert "tagged>" in backend.requests[-1].grammar


def test_a_tool_without_strict_can_be_forced_in_messages_too(caller):
    server, _ = caller
    tools = [{"name": "ok", "input_schema": FORM}, {"name": "tagged", "input_schema": UNIQUE}]
    body = ask(tools=tools, tool_choice={"type": "any"}, max_tokens=200)
    response = server.post(body, "/v1/messages")
    assert response.status_code == 200, response.text


def test_a_strict_tool_that_cannot_be_enforced_is_refused_with_the_reason(caller):
    server, _ = caller
    tools = [tool("ok", FORM), tool("tagged", UNIQUE, strict=True)]
    for fields in ({}, {"tool_choice": "required"}):
        response = server.post(ask(tools=tools, **fields))
        error = response.json()["error"]
        assert (response.status_code, error["param"]) == (400, "tools")
        assert "'tagged'" in error["message"]
        assert "uniqueItems" in error["message"]


@pytest.mark.parametrize(("is_strict", "finish"), [(False, "tool_calls"), (True, "stop")])
def test_a_call_in_the_reasoning_is_none_where_calls_are_held_to_a_schema(is_strict, finish):
    """Nothing holds the reasoning to the schema."""
    model, _ = scripted(
        "<tool_call>\n<function=count>\n<parameter=n>\nabc\n</parameter>\n</function>\n</tool_call>\n</think>\n"
    )
    count = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    with serving(model, ServerSettings()) as server:
        answer = server.post(ask(tools=[tool("count", count, strict=is_strict)])).json()["choices"][0]
    assert answer["finish_reason"] == finish
    assert ("<function=count>" in (answer["message"].get("reasoning") or "")) == is_strict


def test_a_cut_call_in_chat_completions_is_the_same_in_both_forms(writer):
    asked = ask(tools=[tool("write", FORM)], max_tokens=1200)
    [whole] = writer.openai().chat.completions.create(**asked).choices
    stream = writer.openai().chat.completions.create(**asked, stream=True)
    deltas = [chunk.choices[0].delta for chunk in stream]
    pieces = [call for delta in deltas for call in delta.tool_calls or ()]
    [call] = whole.message.tool_calls
    assert call.function.arguments == "".join(piece.function.arguments or "" for piece in pieces)
    assert call.function.arguments.startswith(PARTLY + "word word ")
    assert not "".join(delta.content or "" for delta in deltas)
    assert (whole.message.content, whole.finish_reason) == (None, "length")


def test_a_cut_call_in_messages_is_the_same_in_both_forms(writer):
    tools = [{"name": "write", "input_schema": FORM}]
    asked = {"model": "step-3.5-flash", "messages": [USER], "tools": tools, "max_tokens": 1200}
    client = anthropic.Anthropic(base_url=writer.url, api_key="none", max_retries=0, timeout=20)
    with client:
        whole = client.messages.create(**asked)
        with client.messages.stream(**asked) as stream:
            streamed = stream.get_final_message()
        history = [USER, whole.to_param(), USER]
        again = client.messages.create(**asked | {"messages": history})
    for message in (whole, streamed, again):
        [call] = [block for block in message.content if block.type != "thinking"]
        assert (call.type, call.name, call.input) == ("tool_use", "write", {"path": "a"})
        assert message.stop_reason == "max_tokens"


@pytest.mark.parametrize("kind", ["function", "custom"])
def test_a_cut_call_in_responses_is_the_same_in_both_forms(writer, kind):
    declared = {"type": "function", "name": "write", "parameters": FORM}
    tools = [declared if kind == "function" else {"type": "custom", "name": "write"}]
    asked = {"model": "step-3.5-flash", "input": "hi", "tools": tools, "max_output_tokens": 1200}
    whole = writer.openai().responses.create(**asked)
    *_, last = writer.openai().responses.create(**asked, stream=True)
    assert last.type == "response.incomplete"
    for response in (whole, last.response):
        [call] = [item for item in response.output if item.type != "reasoning"]
        assert (call.type, call.status) == (
            ("function_call" if kind == "function" else "custom_tool_call"),
            "incomplete",
        )
    if kind == "function":
        assert whole.output[-1].arguments == last.response.output[-1].arguments
        assert whole.output[-1].arguments.startswith(PARTLY)


def test_half_a_call_in_the_history_is_refused_by_name(caller):
    server, _ = caller
    half = assistant(function={"name": "write", "arguments": PARTLY})
    response = server.post(ask(messages=[USER, half, USER]))
    assert response.status_code == 400
    assert "not valid JSON" in response.json()["error"]["message"]
    body = {"model": "step-3.5-flash", "input": [
        {"type": "function_call", "call_id": "c", "name": "write", "arguments": PARTLY},
    ]}  # fmt: skip
    response = server.post(body, "/v1/responses")
    assert response.status_code == 400
    assert "not valid JSON" in json.dumps(response.json())
