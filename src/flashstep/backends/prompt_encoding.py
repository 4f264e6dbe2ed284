"""Turns prompts into token ids: short ones in place, long ones one after the other in a thread.

The thread keeps the event loop free for running streams. There is one, because encoding a megabyte takes
about a hundred megabytes for a moment: many at once would take them many times, and a C library's
allocator keeps what each thread once had.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

from flashstep.backends.allocator import give_back
from flashstep.types import Message, Tool

P = ParamSpec("P")
T = TypeVar("T")

_LONG_CHARS = 20_000  # about 10 ms of encoding
_FRAME_CHARS = 20  # what the template puts around a text, a call or a tool takes about as long
_SCALAR_CHARS = 4  # a number, true, a pair of brackets with its comma
_LONG_S = 0.2  # work that takes so long leaves enough memory behind to be worth tidying up
_thread = ThreadPoolExecutor(1, thread_name_prefix="flashstep-long-prompts")


async def encoded(encode: Callable[[], T], num_chars: int) -> T:
    """What `encode` returns, given about how long the text is that it works on."""
    return await in_thread(encode) if num_chars > _LONG_CHARS else encode()


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `function` returns, called behind the long prompts that came before."""
    call = partial(_tidy, partial(function, *args, **kwargs))
    return await asyncio.get_running_loop().run_in_executor(_thread, call)


def _tidy(work: Callable[[], T]) -> T:
    started_s = time.monotonic()
    try:
        return work()
    finally:
        if time.monotonic() - started_s > _LONG_S:
            give_back()


def prompt_chars(messages: Sequence[Message], tools: Sequence[Tool]) -> int:
    """About how long a conversation's prompt is. Counting ends once it is long, so it is always quick."""
    num_chars = 0
    for content in _contents(messages, tools):
        num_chars += _FRAME_CHARS + _json_chars(content)
        if num_chars > _LONG_CHARS:
            break
    return num_chars


def _contents(messages: Sequence[Message], tools: Sequence[Tool]) -> Iterator[Any]:
    """What the template prints within frames of its own: texts, names, arguments of calls, tools."""
    for tool in tools:
        yield tool.wire
    for message in messages:
        yield message.content
        for call in message.tool_calls:
            yield from (call.id, call.name, call.arguments)
        yield from (x for x in (message.reasoning, message.name, message.tool_call_id) if x is not None)


def _json_chars(value: Any) -> int:
    """About how long `value` is as JSON, counted like a prompt. No recursion: clients choose the depth."""
    num_chars, values = 0, [value]
    while values and num_chars <= _LONG_CHARS:
        part = values.pop()
        if isinstance(part, dict):
            values += part.keys()
            values += part.values()
        elif isinstance(part, list):
            values += part
        num_chars += len(part) if isinstance(part, str) else _SCALAR_CHARS
    return num_chars
