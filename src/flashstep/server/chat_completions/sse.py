"""The events of an answer to the frames of a `text/event-stream`, in whichever wire form."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from flashstep.server.chat_completions.wire import ChatWriter
from flashstep.server.envelope import UNFINISHED
from flashstep.server.service import Indexed
from flashstep.types import Finish


async def frames(
    events: AsyncGenerator[Indexed, None], writer: ChatWriter, num_choices: int
) -> AsyncGenerator[bytes, None]:
    """The stream of `num_choices` answers as they come; closes `events`, also when it is closed early.
    Raises BackendError when an answer failed, before any frame if nothing had been said yet."""
    is_open = [False] * num_choices
    num_unfinished, last = num_choices, b""
    async with aclosing(events):
        async for index, event in events:
            if isinstance(event, Finish):
                frame = writer.finish(index, event)
                num_unfinished -= 1
            elif not (frame := writer.delta(index, event)):
                continue
            if not is_open[index]:
                is_open[index] = True
                frame = writer.opening(index) + frame
            if num_unfinished:
                yield frame
            else:
                last = frame  # goes out with the closing
    if num_unfinished:
        writer.finish(0, UNFINISHED)  # raises: what broke off has failed
    yield last + writer.closing()
