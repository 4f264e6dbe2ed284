"""Writes a dialogue turn by turn, giving every call an id and every answer its truth."""

from collections.abc import Sequence
from typing import Any

from flashstep.training.tasks.base import Example
from flashstep.training.tasks.dialogue import Dialogue, Truth
from flashstep.training.tasks.short_questions import truth_of
from flashstep.types import Message, Tool, ToolCall


class Script:
    """A conversation in the making; `dialogue` ends it."""

    def __init__(self, system: str = "") -> None:
        self._messages = [Message("system", system)] if system else []
        self._truths: list[Truth] = []
        self._open_ids: list[str] = []
        self._num_calls = 0

    def user(self, text: str) -> None:
        """What the user says next."""
        self._messages.append(Message("user", text))

    def call(self, reasoning: str, calls: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """A turn of calls, each a name and arguments."""
        self._open_ids = [f"call_{self._num_calls + i}" for i in range(len(calls))]
        self._num_calls += len(calls)
        made = zip(self._open_ids, calls, strict=True)
        self._messages.append(
            Message("assistant", "", reasoning, tuple(ToolCall(i, name, args) for i, (name, args) in made))
        )
        self._truths.append(Truth())

    def results(self, *contents: str) -> None:
        """What the calls of the last turn gave, in their order."""
        for call_id, content in zip(self._open_ids, contents, strict=True):
            self._messages.append(Message("tool", content, tool_call_id=call_id))

    def answer(self, reasoning: str, content: str, truth: Truth) -> None:
        """A turn in words."""
        self._messages.append(Message("assistant", content, reasoning))
        self._truths.append(truth)

    def example(self, example: Example) -> None:
        """A question and its answer."""
        self.user(example.question)
        self.answer(example.reasoning, example.answer, truth_of(example))

    def dialogue(
        self, family: str, subjects: Sequence[str], tools: Sequence[Tool] = (), *, trains_all: bool = True
    ) -> Dialogue:
        """The whole conversation; trains_all False trains its last turn alone."""
        truths = self._truths if trains_all else self._truths[-1:]
        return Dialogue(
            family, tuple(self._messages), tuple(truths), tuple(subjects), tuple(tools), trains_all
        )
