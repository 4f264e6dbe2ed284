"""An answer's text -> reasoning, content and tool calls, incrementally.

The prompt ends inside the reasoning, so the text starts there; `\\n</think>\\n` ends it, one newline on
each side being markup. A `<tool_call>` inside the reasoning is a call only when it ends the turn (see
call_candidate.py). Without tools nothing is parsed as a call. What is undecided is held back, and every
decision depends on the text alone, so every cut of a stream gives the same events.
"""

from collections.abc import Callable, Sequence
from typing import Literal

from flashstep.chat.call_candidate import CallCandidate
from flashstep.chat.held_text import find_first, may_become, num_held
from flashstep.chat.markers import CALL_START, THINK_END, THINK_START
from flashstep.chat.tool_parser import ToolParser
from flashstep.types import ReasoningDelta, TextDelta, Tool, ToolCallDelta

Delta = ReasoningDelta | TextDelta | ToolCallDelta
Region = Literal["reasoning", "undecided", "answer"]


class StreamRouter:
    """Reads one answer. `in_reasoning` False starts in the content (the prompt closed the reasoning); None
    where the prompt says nothing: an answer that begins with <think> reasons first, any other does not.
    max_calls: as in ToolParser. calls_in_reasoning False: a call in the reasoning is never one, since nothing
    has held it to its schema."""

    def __init__(
        self,
        tools: Sequence[Tool],
        new_id: Callable[[], str],
        *,
        in_reasoning: bool | None = True,
        max_calls: int | None = None,
        calls_in_reasoning: bool = True,
    ) -> None:
        self._tool_parser = ToolParser(tools, new_id, max_calls) if tools else None
        self._names = frozenset(tool.name for tool in tools)
        self._markers = (THINK_END, CALL_START) if tools and calls_in_reasoning else (THINK_END,)
        starts = {True: self._at_start, False: self._in_answer, None: self._at_open_start}
        self._state: Callable[[], bool] = starts[in_reasoning]
        self._buffer = ""
        self._candidate = CallCandidate(self._names)
        self._events: list[Delta] = []

    @property
    def region(self) -> Region:
        """Where the text is now; "undecided" inside a call that began in the reasoning."""
        if self._state == self._in_candidate:
            return "undecided"
        is_answer = self._state in (self._in_answer, self._after_reasoning, self._at_open_start)
        return "answer" if is_answer else "reasoning"

    @property
    def is_behind_marker(self) -> bool:
        """True between the end of the reasoning and the newline that belongs to it."""
        return self._state == self._after_reasoning

    @property
    def is_steady(self) -> bool:
        """True while text without a `<` leaves the region as it is: no marker has begun or was just read."""
        return self._state in (self._in_reasoning, self._in_answer) and "<" not in self._buffer

    @property
    def num_calls(self) -> int:
        """Complete tool calls so far."""
        return self._tool_parser.num_calls if self._tool_parser else 0

    def feed(self, text: str) -> list[Delta]:
        """Read on; the events that are now certain."""
        self._buffer += text
        while self._state():
            pass
        return self._take()

    def finish(self, *, is_complete: bool) -> list[Delta]:
        """The text has ended; everything held back is decided. `is_complete`: the model ended it itself
        (it was neither cut nor aborted), without which no call in the reasoning is made."""
        while self._state == self._in_candidate and not self._finish_candidate(is_complete):
            self._release_candidate()
            while self._state():
                pass
        if self._state == self._at_open_start:
            self._state = self._in_answer
            self._in_answer()
        if self._state in (self._at_start, self._in_reasoning):
            self._events.append(ReasoningDelta(self._buffer))
        elif self._tool_parser:
            self._events.extend(self._tool_parser.finish(is_complete=is_complete))
        self._buffer = ""
        return self._take()

    def _at_start(self) -> bool:
        """Some models repeat the <think> that the prompt ends with."""
        if not self._buffer or may_become(self._buffer, (THINK_START,)):
            return False
        is_repeated = self._buffer.startswith(THINK_START)
        self._buffer = self._buffer.removeprefix(THINK_START)
        self._state = self._after_think if is_repeated else self._in_reasoning
        return True

    def _at_open_start(self) -> bool:
        """The answer itself says whether it reasons."""
        if not self._buffer or may_become(self._buffer, (THINK_START,)):
            return False
        self._state = self._at_start if self._buffer.startswith(THINK_START) else self._in_answer
        return True

    def _after_think(self) -> bool:
        return self._drop_newline(self._in_reasoning)

    def _in_reasoning(self) -> bool:
        found = find_first(self._buffer, self._markers)
        if found is None:
            end = len(self._buffer) - num_held(self._buffer, self._markers)
            self._think(end - self._buffer.endswith("\n", 0, end))
            return False
        position, marker = found
        self._think(position - self._buffer.endswith("\n", 0, position))
        if marker == THINK_END:
            self._buffer = self._buffer.removeprefix("\n").removeprefix(THINK_END)
            self._state = self._after_reasoning
        else:
            self._candidate = CallCandidate(self._names)
            self._state = self._in_candidate
        return True

    def _in_candidate(self) -> bool:
        """The buffer begins with an optional newline and <tool_call>."""
        if self._candidate.may_be_call(self._buffer.removeprefix("\n")):
            return False
        self._release_candidate()
        return True

    def _after_reasoning(self) -> bool:
        return self._drop_newline(self._in_answer)

    def _drop_newline(self, then: Callable[[], bool]) -> bool:
        """One newline behind a marker belongs to it."""
        if not self._buffer:
            return False
        self._buffer = self._buffer.removeprefix("\n")
        self._state = then
        return True

    def _in_answer(self) -> bool:
        text, self._buffer = self._buffer, ""
        if self._tool_parser:
            self._events.extend(self._tool_parser.feed(text))
        else:
            self._events.append(TextDelta(text))
        return False

    def _finish_candidate(self, is_complete: bool) -> bool:
        """Make the calls that end the turn; False when they are none."""
        text = self._buffer.removeprefix("\n")
        if not is_complete or not self._candidate.is_call(text):
            return False
        self._buffer = text.rstrip().removesuffix(THINK_END)
        self._state = self._in_answer
        self._in_answer()
        return True

    def _release_candidate(self) -> None:
        """The <tool_call> was only mentioned; what follows it is read again."""
        self._think(self._buffer.index(CALL_START) + len(CALL_START))
        self._state = self._in_reasoning

    def _think(self, length: int) -> None:
        self._events.append(ReasoningDelta(self._buffer[:length]))
        self._buffer = self._buffer[length:]

    def _take(self) -> list[Delta]:
        events, self._events = self._events, []
        return [e for e in events if isinstance(e, ToolCallDelta) or e.text]
