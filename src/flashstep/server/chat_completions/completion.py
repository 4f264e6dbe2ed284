"""The whole answer as the fold of the stream, so that both forms always agree."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from flashstep.server.chat_completions.choice import Choice
from flashstep.server.chat_completions.wire import ChatWriter
from flashstep.server.service import Indexed


async def completion(
    events: AsyncGenerator[Indexed, None], writer: ChatWriter, num_choices: int
) -> dict[str, Any]:
    """Read `events` to their end and close them; the response object. Raises BackendError when an
    answer failed."""
    choices = [Choice() for _ in range(num_choices)]
    async with aclosing(events):
        async for index, event in events:
            choices[index].add(event)
    return writer.whole(choices)
