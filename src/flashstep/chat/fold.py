"""The whole answer as the fold of its stream."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from flashstep.types import Event, Finish, Message, ReasoningDelta, TextDelta, ToolCall, ToolCallDelta


@dataclass(slots=True)
class CallText:
    """A call as far as it came. `arguments` is JSON text, cut short where the answer ended in the middle."""

    id: str = ""
    name: str = ""
    arguments: str = ""

    @property
    def complete(self) -> ToolCall | None:
        """The call; None for half a call, which must not be run."""
        try:
            arguments = json.loads(self.arguments)
        except ValueError:
            return None
        return ToolCall(self.id, self.name, arguments) if isinstance(arguments, dict) else None


@dataclass(slots=True)
class Fold:
    """Collects events one by one; `finish` is None until the stream has ended."""

    finish: Finish | None = None
    _reasoning: list[str] = field(default_factory=list)
    _text: list[str] = field(default_factory=list)
    _calls: dict[int, CallText] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        """Take in the next event."""
        match event:
            case ReasoningDelta(text):
                self._reasoning.append(text)
            case TextDelta(text):
                self._text.append(text)
            case ToolCallDelta():
                call = self._calls.setdefault(event.index, CallText())
                call.id += event.id or ""
                call.name += event.name or ""
                call.arguments += event.arguments
            case Finish():
                self.finish = event

    @property
    def calls(self) -> list[CallText]:
        """All calls so far, half ones too, as a stream shows them."""
        return [call for _, call in sorted(self._calls.items())]

    @property
    def message(self) -> Message:
        """The assistant's turn so far. A call whose arguments were cut short is left out."""
        calls = [call.complete for call in self.calls]
        return Message(
            "assistant",
            "".join(self._text),
            reasoning="".join(self._reasoning) if self._reasoning else None,
            tool_calls=tuple(call for call in calls if call is not None),
        )


def fold(events: Iterable[Event]) -> Message:
    """The assistant's turn that the events of one stream spell; see `Fold` for its finish."""
    whole = Fold()
    for event in events:
        whole.add(event)
    return whole.message


def merge(events: Sequence[Event]) -> list[Event]:
    """The same stream in as few events as possible: neighbours of one kind joined."""
    merged: list[Event] = []
    for event in events:
        joined = _join(merged[-1], event) if merged else None
        if joined is None:
            merged.append(event)
        else:
            merged[-1] = joined
    return merged


def _join(left: Event, right: Event) -> Event | None:
    """One event for two, or None. The piece that announces a call stays alone."""
    match left, right:
        case ReasoningDelta(a), ReasoningDelta(b):
            return ReasoningDelta(a + b)
        case TextDelta(a), TextDelta(b):
            return TextDelta(a + b)
        case ToolCallDelta(index=i, id=None), ToolCallDelta(index=j, id=None) if i == j:
            return ToolCallDelta(i, arguments=left.arguments + right.arguments)
    return None
