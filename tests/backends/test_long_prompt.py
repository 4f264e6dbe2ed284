"""A prompt that takes long to encode holds up nobody else in the event loop."""

import asyncio

import pytest

from flashstep.backends.chat_model import ChatModel
from flashstep.backends.scripted import ScriptedBackend
from flashstep.types import Finish, Message, SamplingParams

LONG = "one two three " * 20_000


@pytest.mark.parametrize("raw", [False, True], ids=["chat", "complete"])
def test_the_event_loop_goes_on_while_a_long_prompt_is_encoded(tokenizer, template, raw):
    backend = ScriptedBackend(tokenizer, ["done"], context_length=1 << 20)
    model = ChatModel(backend, tokenizer, template, frozenset())
    ids = {"trace_id": "0" * 32, "request_id": "a"}

    async def ask():
        if raw:
            return [event async for event in model.complete(LONG, SamplingParams(), **ids)]
        return [event async for event in model.chat([Message("user", LONG)], (), SamplingParams(), **ids)]

    async def main():
        answer = asyncio.ensure_future(ask())
        num_turns = 0
        while not backend.requests:
            await asyncio.sleep(0)
            num_turns += 1
        return num_turns, await answer

    num_turns, events = asyncio.run(main())
    assert num_turns > 10, "encoded within one turn of the loop"
    assert isinstance(events[-1], Finish)
    assert events[-1].usage.prompt_tokens > 10_000
