"""Events -> the stream events of a message, and through them the whole message.

Order: message_start, ping, for each block content_block_start, deltas and content_block_stop, then
message_delta with stop reason and final counts, then message_stop. Indices count from 0 without gaps and
one block is open at a time. A text block never holds blanks alone: sent back, it would be refused by
stricter servers. Form: Anthropic's RawMessageStreamEvent.
"""

from typing import Any

from flashstep.server.anthropic.content import OpenBlock, OpenText, OpenThinking, OpenToolUse, WireEvent
from flashstep.server.anthropic.thinking import Display
from flashstep.server.envelope import wire_finish_reason
from flashstep.server.service import Answer
from flashstep.types import Event, Finish, LogprobsDelta, ReasoningDelta, TextDelta, ToolCallDelta, Usage

_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


class MessageWriter:
    """Writes the events of one answer."""

    def __init__(self, answer: Answer, display: Display) -> None:
        self._answer = answer
        self._display = display
        self._content: list[dict[str, Any]] = []  # blocks that are closed and whole
        self._open: OpenBlock | None = None
        self._index = -1  # of the open block, or of the last one
        self._blank = ""  # in front of a text: a block only when text follows
        self._is_started = False

    def feed(self, event: Event) -> list[WireEvent]:
        """What there is to say about an event that is not the last one."""
        usage = None if isinstance(event, LogprobsDelta | Finish) else event.usage
        return [*self._begin(usage or Usage()), *self._write(event)]

    def finish(self, finish: Finish) -> list[WireEvent]:
        """Everything behind the last delta. Raises BackendError for an answer that failed."""
        reason, sequence = _stop(finish)
        end: dict[str, Any] = {
            "container": None,
            "stop_details": None,
            "stop_reason": reason,
            "stop_sequence": sequence,
            **_stop_cause(finish),
        }
        counts = _counts(finish.usage)
        return [
            *self._begin(finish.usage),
            *self._close(),
            {"type": "message_delta", "delta": end, "usage": counts},
            {"type": "message_stop"},
        ]

    def message(self, finish: Finish) -> dict[str, Any]:
        """The whole message, once `finish` has been told. Raises BackendError like it."""
        reason, sequence = _stop(finish)
        return self._message(finish.usage, reason, sequence) | _stop_cause(finish)

    def _begin(self, usage: Usage) -> list[WireEvent]:
        if self._is_started:
            return []
        self._is_started = True
        return [{"type": "message_start", "message": self._message(usage)}, {"type": "ping"}]

    def _write(self, event: Event) -> list[WireEvent]:
        match event:
            case ReasoningDelta(text):
                return self._thinking(text)
            case TextDelta(text):
                return self._text(text)
            case ToolCallDelta():
                return self._call(event)
        return []

    def _thinking(self, text: str) -> list[WireEvent]:
        if self._display == "hidden":
            return []
        events: list[WireEvent] = []
        if not isinstance(self._open, OpenThinking):
            events = self._start(OpenThinking(is_omitted=self._display == "omitted"))
        return [*events, *self._delta(text)]

    def _text(self, text: str) -> list[WireEvent]:
        if isinstance(self._open, OpenText):
            return self._delta(text)
        text, self._blank = self._blank + text, ""
        if not text or text.isspace():
            self._blank = text
            return []
        return [*self._start(OpenText()), *self._delta(text)]

    def _call(self, delta: ToolCallDelta) -> list[WireEvent]:
        events: list[WireEvent] = []
        if delta.id is not None:
            self._blank = ""
            events = self._start(OpenToolUse(delta.id, delta.name or ""))
        return [*events, *self._delta(delta.arguments)] if delta.arguments else events

    def _start(self, block: OpenBlock) -> list[WireEvent]:
        events = self._close()
        self._open = block
        self._index += 1
        opening = block.opening()
        return [*events, {"type": "content_block_start", "index": self._index, "content_block": opening}]

    def _delta(self, text: str) -> list[WireEvent]:
        assert self._open is not None, "a piece without a block"
        return self._told(self._open.delta(text))

    def _close(self) -> list[WireEvent]:
        if self._open is None:
            return []
        events = self._told(self._open.closing())
        self._content.append(self._open.block())
        self._open = None
        return [*events, {"type": "content_block_stop", "index": self._index}]

    def _told(self, delta: dict[str, Any] | None) -> list[WireEvent]:
        if delta is None:
            return []
        return [{"type": "content_block_delta", "index": self._index, "delta": delta}]

    def _message(
        self, usage: Usage, reason: str | None = None, sequence: str | None = None
    ) -> dict[str, Any]:
        return {
            "id": self._answer.request_id,
            "type": "message",
            "role": "assistant",
            "model": self._answer.model,
            "content": list(self._content),
            "stop_reason": reason,
            "stop_sequence": sequence,
            "stop_details": None,
            "container": None,
            "usage": {
                **_counts(usage),
                "cache_creation": None,
                "inference_geo": None,
                "service_tier": "standard",
            },
            "trace_id": self._answer.trace_id,
        }


def _stop(finish: Finish) -> tuple[str, str | None]:
    """Why the answer ended, and the stop sequence if it was one."""
    reason = wire_finish_reason(finish)
    if reason == "stop" and finish.stop_reason is not None:
        return "stop_sequence", finish.stop_reason
    return _STOP_REASONS[reason], None


def _stop_cause(finish: Finish) -> dict[str, str]:
    """A member of our own that tells an answer which the repetition guard ended from one that is long."""
    return {"stop_cause": "repetition"} if finish.stop_reason == "repetition" else {}


def _counts(usage: Usage) -> dict[str, Any]:
    """Token counts in Anthropic's sense: `input_tokens` are those that no cache held."""
    return {
        "input_tokens": usage.prompt_tokens - usage.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
        "server_tool_use": None,
    }
