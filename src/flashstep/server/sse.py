"""Events to the bytes of `text/event-stream`: one `data:` line per chunk, last `data: [DONE]`.

The role comes in the first delta alone; the finish chunk's delta is empty; `choices` is never
empty except in the usage chunk that `stream_options.include_usage` asks for. Every chunk carries
the envelope (id, created, model, fingerprint, trace id). Form: OpenAI's chat.completion.chunk.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from flashstep.server.envelope import UNFINISHED, envelope, usage_object, wire_finish_reason
from flashstep.server.frame import json_text
from flashstep.server.service import Answer, Indexed
from flashstep.types import Finish, LogprobsDelta, ReasoningDelta, TextDelta, ToolCallDelta

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class StreamStyle:
    """What a caller asked of the stream. `reasoning_field` None leaves reasoning out."""

    reasoning_field: str | None
    include_usage: bool


class ChunkWriter:
    """Writes the chunks of one answer. The envelope is serialised once, not per chunk."""

    def __init__(self, answer: Answer, style: StreamStyle) -> None:
        self._style = style
        self._head = "data: " + json_text(envelope(answer, "chat.completion.chunk"))[:-1]
        self._tail = ',"usage":null}\n\n' if style.include_usage else "}\n\n"

    def opening(self) -> bytes:
        """The chunk that names the role."""
        return self._chunk({"role": "assistant", "content": ""})

    def delta(self, event: ReasoningDelta | TextDelta | ToolCallDelta | LogprobsDelta) -> bytes:
        """The chunk of one delta; empty when the caller does not want it."""
        match event:
            case TextDelta(text):
                return self._chunk({"content": text})
            case ReasoningDelta(text):
                field = self._style.reasoning_field
                return self._chunk({field: text}) if field else b""
            case ToolCallDelta():
                return self._chunk({"tool_calls": [_tool_call(event)]})
            case LogprobsDelta():
                return b""

    def closing(self, finish: Finish) -> bytes:
        """Everything after the last delta. Raises what a failed answer is to be reported as."""
        parts = [self._chunk({}, wire_finish_reason(finish))]
        if self._style.include_usage:
            usage = json_text(usage_object(finish.usage))
            parts.append(f'{self._head},"choices":[],"usage":{usage}}}\n\n'.encode())
        parts.append(DONE)
        return b"".join(parts)

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        reason = f'"{finish_reason}"' if finish_reason else "null"
        choice = f'{{"index":0,"delta":{json_text(delta)},"logprobs":null,"finish_reason":{reason}}}'
        return f'{self._head},"choices":[{choice}]{self._tail}'.encode()


async def frames(events: AsyncGenerator[Indexed, None], writer: ChunkWriter) -> AsyncGenerator[bytes, None]:
    """The stream of one answer, frame by frame; closes `events`, also when it is closed early.
    Raises BackendError when the answer failed, before any frame if nothing had been said yet."""
    finish, opening = UNFINISHED, writer.opening()
    async with aclosing(events):
        async for _, event in events:
            if isinstance(event, Finish):
                finish = event
            elif frame := opening + writer.delta(event):
                yield frame
                opening = b""
    yield opening + writer.closing(finish)


def _tool_call(delta: ToolCallDelta) -> dict[str, Any]:
    call: dict[str, Any] = {"index": delta.index}
    if delta.id is not None:
        call |= {"id": delta.id, "type": "function"}
    name = {} if delta.name is None else {"name": delta.name}
    return call | {"function": name | {"arguments": delta.arguments}}
