"""Prompt and output of a generation as plain JSON values.

The form: {"messages", "tools"} or {"prompt"}, and {"output": one object per answer}. Members that say
nothing are left out.
"""

from collections.abc import Sequence
from typing import Any

from flashstep.chat.fold import CallText, Fold
from flashstep.server.generation import Generation
from flashstep.types import Message


def content_object(
    generation: Generation, outputs: Sequence[Fold], *, with_token_ids: bool
) -> dict[str, Any]:
    """What was asked and what came. Patterns cannot be searched for in token ids, so where content
    is redacted `with_token_ids` is False and only their number is told."""
    return {**_asked(generation, with_token_ids), "output": [_output(output) for output in outputs]}


def _asked(generation: Generation, with_token_ids: bool) -> dict[str, Any]:
    match generation.prompt:
        case None:
            asked: dict[str, Any] = {"messages": [_message(m) for m in generation.messages]}
            if generation.tools:
                asked["tools"] = [tool.wire for tool in generation.tools]
            return asked
        case str() as text:
            return {"prompt": text}
        case token_ids:
            return {"prompt": list(token_ids) if with_token_ids else f"({len(token_ids)} token ids)"}


def _output(whole: Fold) -> dict[str, Any]:
    values = _message(whole.message)
    return values | {"tool_calls": list(map(_call, whole.calls))} if whole.calls else values


def _call(call: CallText) -> dict[str, Any]:
    """Half a call has the text of its arguments as far as it came."""
    complete = call.complete
    arguments = call.arguments if complete is None else complete.arguments
    return {"id": call.id, "name": call.name, "arguments": arguments}


def _message(message: Message) -> dict[str, Any]:
    values: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.reasoning is not None:
        values["reasoning"] = message.reasoning
    if message.tool_calls:
        values["tool_calls"] = [
            {"id": call.id, "name": call.name, "arguments": call.arguments} for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        values["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        values["name"] = message.name
    return values
