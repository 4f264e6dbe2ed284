"""What a wire form of chat completions is: how an answer is written, named and refused.

There are two: OpenAI's (`openai_wire.py`) and the hosted service's to the letter (`stepfun_wire.py`).
`sse.py` and `completion.py` drive whichever was chosen.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from flashstep.errors import FlashstepError
from flashstep.server.chat_completions.choice import Choice
from flashstep.server.service import Answer
from flashstep.types import Finish, LogprobsDelta, ReasoningDelta, TextDelta, ToolCallDelta

Delta = ReasoningDelta | TextDelta | ToolCallDelta | LogprobsDelta


@dataclass(frozen=True, slots=True)
class AnswerStyle:
    """What a caller asked of the writing. reasoning_fields: the members that hold the reasoning, () leaves
    it out. include_usage: a last chunk with the counts; continuous_usage: running ones on every chunk."""

    reasoning_fields: tuple[str, ...] = ("reasoning",)
    has_logprobs: bool = False
    include_usage: bool = False
    continuous_usage: bool = False


class ChatWriter(Protocol):
    """Writes one response, either whole or in frames; it remembers what it wrote. `index` is the number
    of the choice. Bytes may be empty: nothing is sent then."""

    def opening(self, index: int) -> bytes:
        """In front of the first frame of a choice."""
        ...

    def delta(self, index: int, delta: Delta) -> bytes:
        """The next piece of a choice."""
        ...

    def finish(self, index: int, finish: Finish) -> bytes:
        """The end of a choice. Raises BackendError when it failed."""
        ...

    def closing(self) -> bytes:
        """Everything behind the end of the last choice."""
        ...

    def whole(self, choices: Sequence[Choice]) -> dict[str, Any]:
        """The response object. Raises BackendError when a choice failed."""
        ...


@dataclass(frozen=True, slots=True)
class Wire:
    """A wire form. id_prefix: begins the answer's id, from the trace id. unknown_model: the error for a
    name that no model here has, from the message."""

    writer: Callable[[Answer, AnswerStyle], ChatWriter]
    id_prefix: Callable[[str], str]
    unknown_model: Callable[[str], FlashstepError]
