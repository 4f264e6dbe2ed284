"""Long prompts are encoded beside the event loop, one at a time."""

import asyncio
import json
import threading
from itertools import chain

import pytest

from flashstep.backends.prompt_encoding import encoded, prompt_chars
from flashstep.types import Message, Tool, ToolCall


def thread_of(num_chars: int) -> str:
    return asyncio.run(encoded(lambda: threading.current_thread().name, num_chars))


def test_a_short_prompt_is_encoded_in_place_and_a_long_one_in_the_thread():
    assert thread_of(100) == threading.current_thread().name
    assert thread_of(1_000_000).startswith("flashstep-long-prompts")


def test_long_prompts_take_turns():
    running, most = 0, 0

    def encode() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        threading.Event().wait(0.01)
        running -= 1

    async def all_at_once() -> None:
        await asyncio.gather(*(encoded(encode, 1_000_000) for _ in range(8)))

    asyncio.run(all_at_once())
    assert most == 1


def test_all_that_a_prompt_is_made_of_counts():
    call = ToolCall("1", "find", {"text": "x" * 500})
    texts = [Message("user", "x" * 300), Message("assistant", "", reasoning="x" * 200, tool_calls=(call,))]
    assert 1000 <= prompt_chars(texts, ()) < 1150


@pytest.mark.parametrize(
    "message",
    [
        Message("assistant", tool_calls=(ToolCall("1", "f" * 30_000, {}),)),
        Message("assistant", tool_calls=(ToolCall("1" * 30_000, "f", {}),)),
        Message("tool", tool_call_id="1" * 30_000),
        Message("system", name="n" * 30_000),
    ],
    ids=["call", "id", "answered", "name"],
)
def test_names_are_as_long_as_they_are(message):
    assert prompt_chars([message], ()) > 20_000


def tool_of(num_parameters: int) -> Tool:
    """Declared in about 80 characters for each parameter."""
    about = {"type": "string", "description": "what is looked for, and nothing else"}
    schema = {"type": "object", "properties": {f"parameter{i}": about for i in range(num_parameters)}}
    return Tool("find", "", schema, {"type": "function", "function": {"name": "find", "parameters": schema}})


@pytest.mark.parametrize("num_parameters", [0, 1, 10, 100])
def test_a_tool_is_as_long_as_its_declaration(num_parameters):
    tool = tool_of(num_parameters)
    assert prompt_chars([], [tool]) == pytest.approx(len(json.dumps(tool.wire)), rel=0.35, abs=40)


@pytest.mark.parametrize(
    ("messages", "tools"),
    [
        ([Message("user", "hi")], [tool_of(1000)]),
        ([Message("user", "hi")], [tool_of(1)] * 200),
        ([Message("user", "hi")] * 2000, []),
        ([Message("assistant", "", tool_calls=(ToolCall("1", "f", {}),) * 2000)], []),
    ],
    ids=["a huge tool", "many tools", "many tiny messages", "many tiny calls"],
)
def test_a_prompt_that_is_long_in_any_way_leaves_the_event_loop_free(messages, tools):
    assert thread_of(prompt_chars(messages, tools)).startswith("flashstep-long-prompts")


def test_a_short_conversation_with_a_few_tools_stays_in_place():
    messages = [Message("user", "hi"), Message("assistant", "hello")] * 20
    assert thread_of(prompt_chars(messages, [tool_of(5)] * 10)) == threading.current_thread().name


def test_counting_ends_once_a_prompt_is_long_and_needs_no_recursion():
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    endless = chain([Message("user", "x" * 30_000)], (pytest.fail("read on") for _ in range(1)))
    assert prompt_chars(endless, []) > 20_000
    assert prompt_chars([], [Tool("deep", "", {}, {"parameters": deep})]) > 20_000
