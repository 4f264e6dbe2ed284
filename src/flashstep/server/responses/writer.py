"""Events -> the stream events of a response, and through them the whole response.

Order: response.created, response.in_progress, for each output item its opening, deltas and closing, then
response.completed or response.incomplete. Sequence numbers count from 0 without gaps. The whole response
is the object in the last event, so both forms agree. A failure behind the first event is told twice,
as an `error` event and as response.failed, because each has readers that know only it.
Form: OpenAI's ResponseStreamEvent.
"""

import time
from typing import Any

from flashstep.errors import ContextLengthExceeded, Overloaded
from flashstep.server.envelope import wire_finish_reason
from flashstep.server.http.errors import error_object
from flashstep.server.http.frame import frame
from flashstep.server.responses.open_item import (
    OpenCustomCall,
    OpenFunctionCall,
    OpenItem,
    OpenText,
    Status,
    WireEvent,
)
from flashstep.server.responses.protocol import ResponseStyle
from flashstep.server.service import Answer
from flashstep.types import (
    Event,
    Finish,
    LogprobsDelta,
    ReasoningDelta,
    ScoredToken,
    TextDelta,
    ToolCallDelta,
    Usage,
)


class ResponseWriter:
    """Writes the events of one answer."""

    def __init__(self, answer: Answer, style: ResponseStyle) -> None:
        self._answer = answer
        self._style = style
        self._output: list[dict[str, Any]] = []  # items that are closed
        self._open: OpenItem | None = None
        self._blank = ""  # in front of a message: an item only when text follows
        self._early_scores: list[ScoredToken] = []  # of text that has not come yet
        self._num_items = 0
        self._next_number = 0

    def feed(self, event: Event) -> list[WireEvent]:
        """What there is to say about an event that is not the last one."""
        return [*self._begin(), *self._write(event)]

    def finish(self, finish: Finish) -> list[WireEvent]:
        """Everything behind the last delta. Raises BackendError for an answer that failed."""
        reason = wire_finish_reason(finish)
        status: Status = "incomplete" if reason == "length" else "completed"
        events = [*self._begin(), *self._close(status)]
        details = None
        if status == "incomplete":
            details = {"reason": "max_output_tokens"}
            if finish.stop_reason:
                details["stop_reason"] = finish.stop_reason
        response = self._response(status, incomplete_details=details, usage=_usage(finish.usage))
        return [*events, self._numbered({"type": f"response.{status}", "response": response})]

    def failure(self, error: Exception) -> bytes:
        """The frames that end a stream in which `error` happened."""
        told = error_object(error, self._answer.trace_id)["error"]
        events = self._begin()
        # Flat as OpenAI's readers expect it, and nested as their own service sends it.
        flat = {name: told[name] for name in ("code", "message", "param")}
        events.append(self._numbered({"type": "error", **flat, "error": told}))
        if self._open is not None:
            self._output.append(self._open.item("incomplete"))
            self._open = None
        failed = self._response("failed", error={"code": _code(error), "message": told["message"]})
        events.append(self._numbered({"type": "response.failed", "response": failed}))
        return b"".join(frame(event, event["type"]) for event in events)

    def _begin(self) -> list[WireEvent]:
        if self._next_number:
            return []
        response = self._response("in_progress")
        names = ("response.created", "response.in_progress")
        return [self._numbered({"type": name, "response": response}) for name in names]

    def _write(self, event: Event) -> list[WireEvent]:
        match event:
            case ReasoningDelta(text):
                return self._text(text, is_reasoning=True) if self._style.shows_reasoning else []
            case TextDelta(text):
                return self._message_text(text)
            case ToolCallDelta():
                return self._call(event)
            case LogprobsDelta(tokens, "text"):
                self._score(tokens)
        return []

    def _message_text(self, text: str) -> list[WireEvent]:
        if self._is_open_text(is_reasoning=False):
            return self._text(text, is_reasoning=False)
        text, self._blank = self._blank + text, ""
        if text.isspace():
            self._blank = text
            return []
        return self._text(text, is_reasoning=False)

    def _text(self, text: str, *, is_reasoning: bool) -> list[WireEvent]:
        events: list[WireEvent] = []
        if not self._is_open_text(is_reasoning=is_reasoning):
            item_id = self._new_id("rs" if is_reasoning else "msg")
            events += self._start(OpenText(item_id, is_reasoning=is_reasoning))
        assert isinstance(self._open, OpenText), "text outside an item of text"
        if not is_reasoning and self._early_scores:
            self._open.score(self._early_scores)
            self._early_scores = []
        return [*events, *self._placed(self._open.delta(text))]

    def _call(self, delta: ToolCallDelta) -> list[WireEvent]:
        events: list[WireEvent] = []
        if delta.id is not None:
            name = delta.name or ""
            self._blank, self._early_scores = "", []
            item: OpenItem
            if name in self._style.custom_names:
                item = OpenCustomCall(self._new_id("ctc"), delta.id, name)
            else:
                item = OpenFunctionCall(self._new_id("fc"), delta.id, name)
            events += self._start(item)
        assert isinstance(self._open, OpenFunctionCall | OpenCustomCall), "arguments outside a call"
        return [*events, *self._placed(self._open.delta(delta.arguments))]

    def _score(self, tokens: tuple[ScoredToken, ...]) -> None:
        """Scores may come before the text they belong to; those inside a call belong to no text."""
        if self._is_open_text(is_reasoning=False) and isinstance(self._open, OpenText):
            self._open.score(tokens)
        elif not isinstance(self._open, OpenFunctionCall | OpenCustomCall):
            self._early_scores += tokens

    def _is_open_text(self, *, is_reasoning: bool) -> bool:
        return isinstance(self._open, OpenText) and self._open.is_reasoning == is_reasoning

    def _start(self, item: OpenItem) -> list[WireEvent]:
        events = self._close("completed")
        self._open = item
        return [*events, *self._placed(item.opening())]

    def _close(self, status: Status) -> list[WireEvent]:
        if self._open is None:
            return []
        events = self._placed(self._open.closing(status))
        self._output.append(self._open.item(status))
        self._open = None
        return events

    def _placed(self, events: list[WireEvent]) -> list[WireEvent]:
        """`events` of the open item, with its place."""
        index = len(self._output)
        return [self._numbered({**event, "output_index": index}) for event in events]

    def _numbered(self, event: WireEvent) -> WireEvent:
        event["sequence_number"] = self._next_number
        self._next_number += 1
        return event

    def _new_id(self, prefix: str) -> str:
        self._num_items += 1
        return f"{prefix}_{self._answer.request_id.removeprefix('resp_')}_{self._num_items}"

    def _response(
        self,
        status: str,
        *,
        error: dict[str, Any] | None = None,
        incomplete_details: dict[str, str] | None = None,
        usage: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        answer = self._answer
        return {
            "id": answer.request_id,
            "object": "response",
            "created_at": answer.created,
            "completed_at": int(time.time()) if status == "completed" else None,
            "status": status,
            "error": error,
            "incomplete_details": incomplete_details,
            "model": answer.model,
            "output": list(self._output),
            "usage": usage,
            **self._style.echo,
            "trace_id": answer.trace_id,
        }


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def _code(error: Exception) -> str:
    """Of the codes that clients tell apart, the one that fits."""
    if isinstance(error, ContextLengthExceeded):  # what agents look for, and shorten their input
        return "context_length_exceeded"
    if isinstance(error, Overloaded):
        return "rate_limit_exceeded"
    return "server_error"
