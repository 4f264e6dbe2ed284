"""Is a turn right? Its calls must be the recorded ones, its words must have the values."""

import re
from collections.abc import Iterable

from flashstep.training.tasks.dialogue import PARTS, Dialogue, same_calls
from flashstep.training.tasks.short_questions import answers_question
from flashstep.types import Message

NO_TOOL = "no tool"


def verify(dialogue: Dialogue, turn: int, message: Message) -> bool:
    """True when `message` has the calls of `dialogue.messages[turn]` and says what its truth wants."""
    if not same_calls(dialogue.messages[turn].tool_calls, message.tool_calls):
        return False
    truth = dialogue.truth(turn)
    if truth.family:
        return answers_question(truth, message.content)
    keys = [key for line in truth.key.split("\n") for key in line.split(PARTS) if key]
    return says_in_order(message.content, keys)


def says(content: str, key: str) -> bool:
    """True when `key` stands in `content` by itself: 4 is neither in 44 nor in 4.5."""
    return _find(content, key, 0) is not None


def says_in_order(content: str, keys: Iterable[str]) -> bool:
    """True when `content` has all the keys, each behind the one before: values of several results that change
    places are wrong."""
    start: int | None = 0
    for key in keys:
        start = _find(content, key, start or 0)
        if start is None:
            return False
    return True


def _find(content: str, key: str, start: int) -> int | None:
    """Where `key` ends that stands in `content` by itself from `start` on."""
    pattern = re.compile(rf"(?<![\w.]){re.escape(key)}(?!\w|\.\w)", re.IGNORECASE)
    found = pattern.search(content, start)
    return found.end() if found else None
