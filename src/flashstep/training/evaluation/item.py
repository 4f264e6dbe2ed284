"""What is asked in an evaluation: a single question, or a conversation that the model plays along.

Both are a `Play`: it yields the messages of a prompt, is sent the turn that the model made, and in the end
tells what was expected of a turn that is wrong, None when all were right.
"""

import hashlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from flashstep.training.tasks.base import LETTER_BREAK, Example, Family
from flashstep.training.tasks.dialogue import Dialogue, DialogueFamily, play, without_breaks
from flashstep.training.tasks.trace_check import TraceCheck
from flashstep.types import Message, Tool

Play = Generator[tuple[Message, ...], Message, str | None]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to ask. `label` is the row of the report it counts in; `family` says whose it is, `subjects`
    what its split was decided on; `begin` starts a play; `is_sound(prompt, turn)` tells whether the reasoning
    of a right turn leads to it (None = cannot be told)."""

    label: str
    family: str
    subjects: tuple[str, ...]
    tools: tuple[Tool, ...]
    begin: Callable[[], Play]
    is_sound: Callable[[Sequence[Message], Message], bool] | None = None


def turn_seed(name: str) -> int:
    """A seed in [0, 2^63), as APIs take them, for sampling a turn, from a name that no other turn has."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


def question_item(example: Example, family: Family, check: TraceCheck | None, label: str = "") -> Item:
    """A question with one answer."""

    def begin() -> Play:
        made = yield (Message("user", example.question),)
        is_right = not made.tool_calls and family.verify(example, made.content)
        return None if is_right else example.answer.replace(LETTER_BREAK, "")

    def is_sound(prompt: Sequence[Message], turn: Message) -> bool:
        assert check is not None, "only asked where there is a checker"
        return check(example.question, turn.reasoning or "", turn.content)

    subjects = (example.subject,) if family.holds_out_subjects else ()
    return Item(label or example.family, example.family, subjects, (), begin, is_sound if check else None)


def dialogue_item(dialogue: Dialogue, family: DialogueFamily, label: str = "") -> Item:
    """A conversation."""

    def begin() -> Play:
        wrong = yield from play(dialogue, family)
        return None if wrong is None else shown(without_breaks(dialogue.messages[wrong]))

    def is_sound(prompt: Sequence[Message], turn: Message) -> bool:
        assert family.check_trace is not None, "only asked where there is a checker"
        return family.check_trace(dialogue, len(prompt), turn)

    check = is_sound if family.check_trace else None
    name = dialogue.family
    return Item(label or name, name, dialogue.subjects, dialogue.tools, begin, check)


def shown(message: Message) -> str:
    """A turn as a line of text: its words, then its calls."""
    calls = (f"{call.name}({call.arguments})" for call in message.tool_calls)
    return " ".join(part for part in (message.content, *calls) if part)
