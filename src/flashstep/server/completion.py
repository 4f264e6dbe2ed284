"""The whole answer as the fold of the stream, so that both forms always agree."""

import json
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from flashstep.chat.fold import Fold
from flashstep.server.disconnect import run_while_connected
from flashstep.server.envelope import UNFINISHED, envelope, usage_object, wire_finish_reason
from flashstep.server.service import Answer, Indexed
from flashstep.types import Message, ToolCall

logger = logging.getLogger("flashstep.server")


class CompletionBuilder:
    """Turns the events of one answer into its object. `reasoning_field` None leaves reasoning out."""

    def __init__(self, answer: Answer, reasoning_field: str | None) -> None:
        self._envelope = envelope(answer, "chat.completion")
        self._reasoning_field = reasoning_field

    async def build(self, events: AsyncGenerator[Indexed, None]) -> dict[str, Any]:
        """Read `events` to the Finish and close them; the chat.completion object. Raises
        BackendError when the answer failed."""
        whole = Fold()
        async with aclosing(events):
            async for _, event in events:
                whole.add(event)
        finish = whole.finish or UNFINISHED
        choice = {
            "index": 0,
            "message": self._message(whole.message),
            "logprobs": None,
            "finish_reason": wire_finish_reason(finish),
        }
        return {
            **self._envelope,
            "choices": [choice],
            "usage": usage_object(finish.usage),
        }

    def _message(self, answer: Message) -> dict[str, Any]:
        message: dict[str, Any] = {
            "role": "assistant",
            # OpenAI's form: null beside tool calls when there is no text, a string otherwise.
            "content": None if answer.tool_calls and not answer.content else answer.content,
            "refusal": None,
            "annotations": [],
        }
        if self._reasoning_field:
            message[self._reasoning_field] = answer.reasoning or ""
        if answer.tool_calls:
            message["tool_calls"] = [_wire_call(call) for call in answer.tool_calls]
        return message


def _wire_call(call: ToolCall) -> dict[str, Any]:
    arguments = json.dumps(call.arguments, ensure_ascii=False)
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


class CompletionResponse(Response):
    """Answers with the whole completion; stops producing it when the client goes away."""

    def __init__(
        self, events: AsyncGenerator[Indexed, None], builder: CompletionBuilder, headers: Mapping[str, str]
    ) -> None:
        super().__init__()
        self._events = events
        self._builder = builder
        self._headers_to_add = dict(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the events to their end, then send."""

        async def answer() -> None:
            completion = await self._builder.build(self._events)
            await JSONResponse(completion, headers=self._headers_to_add)(scope, receive, send)

        if not await run_while_connected(receive, answer()):
            logger.info("client went away; generation aborted")
