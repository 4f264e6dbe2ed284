"""What a solver makes of a question."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# An entry of a reasoning-gym dataset: "question", "answer", "metadata".
Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Solved:
    """The reasoning from which the answer can be read, and the answer as the task wants it written.
    subjects: what the family whose trace it is calls the question; it is held out there, too."""

    reasoning: str
    answer: str
    subjects: tuple[str, ...] = ()


class TooLong(ValueError):
    """This entry takes more steps than a trace should have."""


Solver = Callable[[Entry], Solved]
