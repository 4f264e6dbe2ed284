"""Output items while they grow: which events tell about them, and what they are in the end.

An item opens, takes in deltas and closes; each step gives the events to send, without the members that
only the writer knows (output index, sequence number). A call that broke off is listed as incomplete but
never announced as done, so that nobody runs half a call. Forms: OpenAI's ResponseOutputItem and
ResponseStreamEvent; reasoning is a content part of the type reasoning_text.
"""

import json
from collections.abc import Sequence
from typing import Any, Literal, Protocol

from flashstep.server.logprobs import token_objects
from flashstep.server.responses.custom_input import CustomInput
from flashstep.types import ScoredToken

WireEvent = dict[str, Any]
Status = Literal["in_progress", "completed", "incomplete"]


class OpenItem(Protocol):
    """An item that may still grow."""

    def opening(self) -> list[WireEvent]:
        """What announces it."""
        ...

    def closing(self, status: Status) -> list[WireEvent]:
        """What ends it."""
        ...

    def item(self, status: Status) -> dict[str, Any]:
        """The item as far as it has come."""
        ...


class OpenText:
    """An item whose content is one text: the reasoning or the message."""

    def __init__(self, item_id: str, *, is_reasoning: bool) -> None:
        self.is_reasoning = is_reasoning
        self._id = item_id
        self._event = "response.reasoning_text" if is_reasoning else "response.output_text"
        self._pieces: list[str] = []
        self._scores: list[dict[str, Any]] = []
        self._unsent: list[dict[str, Any]] = []

    def opening(self) -> list[WireEvent]:
        """The empty item, then its empty part."""
        empty = {**self.item("in_progress"), "content": []}
        return [
            {"type": "response.output_item.added", "item": empty},
            self._about_part("response.content_part.added"),
        ]

    def delta(self, text: str) -> list[WireEvent]:
        """More of the text, with the scores that came since the last piece."""
        self._pieces.append(text)
        event = {"type": f"{self._event}.delta", "item_id": self._id, "content_index": 0, "delta": text}
        if not self.is_reasoning:
            event["logprobs"], self._unsent = self._unsent, []
        return [event]

    def score(self, tokens: Sequence[ScoredToken]) -> None:
        """Scores of the message's tokens; they go out with the next piece of text."""
        scores = token_objects(tokens)
        self._scores += scores
        self._unsent += scores

    def closing(self, status: Status) -> list[WireEvent]:
        """The whole text, the whole part, the whole item."""
        done = {"type": f"{self._event}.done", "item_id": self._id, "content_index": 0, "text": self._text}
        if not self.is_reasoning:
            done["logprobs"] = self._scores
        return [
            done,
            self._about_part("response.content_part.done"),
            {"type": "response.output_item.done", "item": self.item(status)},
        ]

    def item(self, status: Status) -> dict[str, Any]:
        """A reasoning or message item."""
        if self.is_reasoning:
            # No encrypted_content: there is none, and strict readers take only a text there.
            item = {"id": self._id, "type": "reasoning", "status": status, "summary": []}
            return {**item, "content": [self._part()]}
        item = {"id": self._id, "type": "message", "status": status, "role": "assistant"}
        return {**item, "content": [self._part()]}

    @property
    def _text(self) -> str:
        return "".join(self._pieces)

    def _part(self) -> dict[str, Any]:
        if self.is_reasoning:
            return {"type": "reasoning_text", "text": self._text}
        return {"type": "output_text", "text": self._text, "annotations": [], "logprobs": self._scores}

    def _about_part(self, event: str) -> WireEvent:
        return {"type": event, "item_id": self._id, "content_index": 0, "part": self._part()}


class OpenFunctionCall:
    """A call of a function; `call_id` is what its output will refer to."""

    def __init__(self, item_id: str, call_id: str, name: str) -> None:
        self._head = {"id": item_id, "type": "function_call", "call_id": call_id, "name": name}
        self._pieces: list[str] = []

    def opening(self) -> list[WireEvent]:
        """The call without arguments."""
        return [{"type": "response.output_item.added", "item": self.item("in_progress")}]

    def delta(self, arguments: str) -> list[WireEvent]:
        """More of the arguments' JSON text."""
        if not arguments:
            return []
        self._pieces.append(arguments)
        event = "response.function_call_arguments.delta"
        return [{"type": event, "item_id": self._head["id"], "delta": arguments}]

    def closing(self, status: Status) -> list[WireEvent]:
        """The whole arguments and the whole call; nothing for half a call."""
        if not self._is_complete:
            return []
        done = {
            "type": "response.function_call_arguments.done",
            "item_id": self._head["id"],
            "name": self._head["name"],
            "arguments": self._arguments,
        }
        return [done, {"type": "response.output_item.done", "item": self.item("completed")}]

    def item(self, status: Status) -> dict[str, Any]:
        """A function_call item."""
        if status != "in_progress":
            status = "completed" if self._is_complete else "incomplete"
        return {**self._head, "arguments": self._arguments, "status": status}

    @property
    def _arguments(self) -> str:
        return "".join(self._pieces)

    @property
    def _is_complete(self) -> bool:
        try:
            json.loads(self._arguments)
        except ValueError:
            return False
        return True


class OpenCustomCall:
    """A call of a custom tool: free text, taken out of the arguments of the function that it was
    shown to the model as."""

    def __init__(self, item_id: str, call_id: str, name: str) -> None:
        self._head = {"id": item_id, "type": "custom_tool_call", "call_id": call_id, "name": name}
        self._input = CustomInput()
        self._is_complete = False

    def opening(self) -> list[WireEvent]:
        """The call without text."""
        return [{"type": "response.output_item.added", "item": self.item("in_progress")}]

    def delta(self, arguments: str) -> list[WireEvent]:
        """More of the arguments' JSON text: the text in it that is now certain."""
        return self._piece(self._input.feed(arguments))

    def closing(self, status: Status) -> list[WireEvent]:
        """The rest of the text and the whole call; nothing more for half a call."""
        rest, self._is_complete = self._input.finish()
        if not self._is_complete:
            return []
        done = {
            "type": "response.custom_tool_call_input.done",
            "item_id": self._head["id"],
            "input": self._input.text,
        }
        item = self.item("completed")
        return [*self._piece(rest), done, {"type": "response.output_item.done", "item": item}]

    def item(self, status: Status) -> dict[str, Any]:
        """A custom_tool_call item."""
        if status != "in_progress":
            status = "completed" if self._is_complete else "incomplete"
        return {**self._head, "input": self._input.text, "status": status}

    def _piece(self, text: str) -> list[WireEvent]:
        if not text:
            return []
        event = "response.custom_tool_call_input.delta"
        return [{"type": event, "item_id": self._head["id"], "delta": text}]
