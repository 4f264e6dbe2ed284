"""Is a turn right? Its calls must be the recorded ones, its words must have the values."""

import re

from flashstep.training.tasks.dialogue import Dialogue, same_calls
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
    return all(says(message.content, key) for key in truth.key.split("\n") if key)


def says(content: str, key: str) -> bool:
    """True when `key` stands in `content` by itself: 4 is neither in 44 nor in 4.5."""
    pattern = rf"(?<![\w.]){re.escape(key)}(?!\w|\.\w)"
    return re.search(pattern, content, re.IGNORECASE) is not None
