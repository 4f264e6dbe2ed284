"""The two forms of a message: its events one by one, or the object that they come to."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from flashstep.errors import InvalidRequest
from flashstep.server.anthropic.writer import MessageWriter
from flashstep.server.envelope import UNFINISHED
from flashstep.server.fields import rename_field
from flashstep.server.http.frame import frame
from flashstep.server.service import Indexed
from flashstep.types import Event, Finish

# What the layers below call by the names of chat completions.
_OUR_NAMES = {"response_format": "output_config.format"}


async def frames(events: AsyncGenerator[Indexed, None], writer: MessageWriter) -> AsyncGenerator[bytes, None]:
    """The stream of one answer; closes `events`, also when it is closed early. Raises BackendError when
    the answer failed, before any frame if nothing had been said yet."""
    finish = UNFINISHED
    async with aclosing(_renaming(events)) as named:
        async for event in named:
            if isinstance(event, Finish):
                finish = event
            elif told := writer.feed(event):
                yield b"".join(frame(wire_event, wire_event["type"]) for wire_event in told)
    yield b"".join(frame(wire_event, wire_event["type"]) for wire_event in writer.finish(finish))


async def whole(events: AsyncGenerator[Indexed, None], writer: MessageWriter) -> dict[str, Any]:
    """The message that the stream would spell. Raises BackendError when the answer failed."""
    finish = UNFINISHED
    async with aclosing(_renaming(events)) as named:
        async for event in named:
            if isinstance(event, Finish):
                finish = event
            else:
                writer.feed(event)
    writer.finish(finish)
    return writer.message(finish)


async def _renaming(events: AsyncGenerator[Indexed, None]) -> AsyncGenerator[Event, None]:
    try:
        async with aclosing(events):
            async for _, event in events:
                yield event
    except InvalidRequest as error:
        rename_field(error, _OUR_NAMES)
        raise
