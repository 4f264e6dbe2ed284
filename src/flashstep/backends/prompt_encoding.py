"""Turns prompts into token ids: short ones in place, long ones one after the other in a thread.

The thread keeps the event loop free for running streams. There is one, because encoding a megabyte takes
about a hundred megabytes for a moment: many at once would take them many times, and a C library's
allocator keeps what each thread once had.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from flashstep.backends.allocator import give_back
from flashstep.types import Message, Tool

P = ParamSpec("P")
T = TypeVar("T")

_LONG_CHARS = 20_000  # about 10 ms of encoding
_TOOL_CHARS = 1000  # what declaring a tool usually takes; its exact length would cost a rendering
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
    """About how long a conversation's prompt is."""
    texts = (len(m.content) + len(m.reasoning or "") for m in messages)
    calls = (len(str(call.arguments)) for m in messages for call in m.tool_calls)
    return sum(texts) + sum(calls) + _TOOL_CHARS * len(tools)
