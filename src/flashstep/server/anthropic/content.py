"""Content blocks of an answer while they grow: the stream events that tell about them, and what they
are in the end. Each opens, takes in deltas and closes. Forms: Anthropic's ContentBlock and
RawMessageStreamEvent.
"""

import json
from functools import partial
from typing import Any, Protocol

from pydantic_core import from_json

from flashstep.server.anthropic.signature import carrying, digest_of

WireEvent = dict[str, Any]


class OpenBlock(Protocol):
    """A block that may still grow."""

    def opening(self) -> dict[str, Any]:
        """The empty block."""
        ...

    def delta(self, text: str) -> dict[str, Any] | None:
        """Take in more; the delta that tells it, None when nothing is told."""
        ...

    def closing(self) -> dict[str, Any] | None:
        """The delta that has to come last, if any."""
        ...

    def block(self) -> dict[str, Any]:
        """The finished block."""
        ...


class OpenText:
    """Text of the answer."""

    def __init__(self) -> None:
        self._pieces: list[str] = []

    def opening(self) -> dict[str, Any]:
        """The empty block."""
        return self._block("")

    def delta(self, text: str) -> dict[str, Any]:
        """More text."""
        self._pieces.append(text)
        return {"type": "text_delta", "text": text}

    def closing(self) -> None:
        """Nothing comes last."""

    def block(self) -> dict[str, Any]:
        """The finished block."""
        return self._block("".join(self._pieces))

    def _block(self, text: str) -> dict[str, Any]:
        return {"type": "text", "text": text, "citations": None}


class OpenThinking:
    """The model's thinking. `is_omitted`: its text is not told, the signature carries it."""

    def __init__(self, *, is_omitted: bool) -> None:
        self._is_omitted = is_omitted
        self._pieces: list[str] = []

    def opening(self) -> dict[str, Any]:
        """The empty block."""
        return {"type": "thinking", "thinking": "", "signature": ""}

    def delta(self, text: str) -> dict[str, Any] | None:
        """More thinking."""
        self._pieces.append(text)
        return None if self._is_omitted else {"type": "thinking_delta", "thinking": text}

    def closing(self) -> dict[str, Any]:
        """The signature."""
        return {"type": "signature_delta", "signature": self._signature}

    def block(self) -> dict[str, Any]:
        """The finished block."""
        thinking = "" if self._is_omitted else "".join(self._pieces)
        return {"type": "thinking", "thinking": thinking, "signature": self._signature}

    @property
    def _signature(self) -> str:
        thinking = "".join(self._pieces)
        return carrying(thinking) if self._is_omitted else digest_of(thinking)


class OpenToolUse:
    """A call; its deltas are fragments of the input's JSON."""

    def __init__(self, call_id: str, name: str) -> None:
        self._call_id = call_id
        self._name = name
        self._pieces: list[str] = []

    def opening(self) -> dict[str, Any]:
        """The empty block."""
        return self._block({})

    def delta(self, text: str) -> dict[str, Any]:
        """More of the input."""
        self._pieces.append(text)
        return {"type": "input_json_delta", "partial_json": text}

    def closing(self) -> None:
        """Nothing comes last."""

    def block(self) -> dict[str, Any]:
        """The finished block, or as much of it as came."""
        return self._block(_members("".join(self._pieces)))

    def _block(self, given: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "tool_use",
            "id": self._call_id,
            "name": self._name,
            "input": given,
            "caller": {"type": "direct"},
        }


def _members(text: str) -> dict[str, Any]:
    """The input that `text` spells. One that was cut short has its whole members, as Anthropic's SDKs read
    the stream: a value that broke off could mean something else to whoever runs the call."""
    for read in (json.loads, partial(from_json, allow_partial=True)):
        try:
            given: dict[str, Any] = read(text)
        except ValueError:  # the second reader knows no empty text and only so much nesting
            continue
        return given
    return {}
