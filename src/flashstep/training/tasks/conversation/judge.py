"""Is a turn of a conversation right?"""

import re

from flashstep.training.tasks.conversation.form import has_form
from flashstep.training.tasks.conversation.persona import keeps_habit
from flashstep.training.tasks.dialogue import Dialogue, without_breaks
from flashstep.training.tasks.short_questions import answers_question
from flashstep.training.tasks.tools.judge import says
from flashstep.types import Message


def verify(dialogue: Dialogue, turn: int, message: Message) -> bool:
    """True when `message` answers in the place of `dialogue.messages[turn]`, in the form asked for."""
    truth = dialogue.truth(turn)
    if message.tool_calls or not message.content.strip():
        return False
    if truth.form.startswith("persona_"):
        return keeps_habit(truth, message.content)
    if truth.form:
        return has_form(truth, message.content)
    if truth.family:
        return answers_question(truth, _without_old_answer(message.content))
    return says(message.content, truth.key)


def check_trace(dialogue: Dialogue, turn: int, message: Message) -> bool:
    """True when the reasoning takes the steps of the recorded turn; there is one way to each of these answers."""
    return message.reasoning == without_breaks(dialogue.messages[turn]).reasoning


def _without_old_answer(content: str) -> str:
    """ "It is 3, not 4": a correction may name what was wrong."""
    return re.sub(r"\b(?:not|I said|instead of|rather than) -?\d+\b", "", content)
