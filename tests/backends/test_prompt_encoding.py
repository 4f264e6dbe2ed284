"""Long prompts are encoded beside the event loop, one at a time."""

import asyncio
import threading

from flashstep.backends.prompt_encoding import encoded, prompt_chars
from flashstep.types import Message, Tool, ToolCall

TOOL = Tool("find", "", {}, {})


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
    assert 1000 <= prompt_chars(texts, ()) < 1100
    assert prompt_chars([], [TOOL] * 100) > 20_000
