"""The two forms of a response: its events one by one, or the object in the last of them."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from flashstep.errors import InvalidRequest
from flashstep.server.envelope import UNFINISHED
from flashstep.server.fields import rename_field
from flashstep.server.http.frame import frame
from flashstep.server.responses.open_item import WireEvent
from flashstep.server.responses.writer import ResponseWriter
from flashstep.server.service import Indexed
from flashstep.types import Finish

# What the layers below call by the names of chat completions.
_OUR_NAMES = {"messages": "input", "response_format": "text.format"}


async def frames(
    events: AsyncGenerator[Indexed, None], writer: ResponseWriter
) -> AsyncGenerator[bytes, None]:
    """The stream of one answer, frame by frame; closes `events`, also when it is closed early.
    Raises BackendError when the answer failed, before any frame if nothing had been said yet."""
    async with aclosing(_written(events, writer)) as written:
        async for event in written:
            yield frame(event, event["type"])


async def whole(events: AsyncGenerator[Indexed, None], writer: ResponseWriter) -> dict[str, Any]:
    """The response object. Raises BackendError when the answer failed."""
    last: WireEvent = {}
    async with aclosing(_written(events, writer)) as written:
        async for event in written:
            last = event
    response: dict[str, Any] = last["response"]
    return response


async def _written(
    events: AsyncGenerator[Indexed, None], writer: ResponseWriter
) -> AsyncGenerator[WireEvent, None]:
    finish = UNFINISHED
    try:
        async with aclosing(events):
            async for _, event in events:
                if isinstance(event, Finish):
                    finish = event
                    continue
                for wire_event in writer.feed(event):
                    yield wire_event
    except InvalidRequest as error:
        rename_field(error, _OUR_NAMES)
        raise
    for wire_event in writer.finish(finish):
        yield wire_event
