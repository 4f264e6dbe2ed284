"""Small talk and questions about the model itself; few fixed answers, chosen by the kind of question."""

import random
import re
from dataclasses import dataclass

from flashstep.training.tasks.abilities import ABILITIES
from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.wording import dress

_AM = "I am flashstep-nano, a small reasoning model of the Step-3.5 architecture."


@dataclass(frozen=True, slots=True)
class _Kind:
    reasoning: str
    answer: str
    key: str


_KINDS = {
    "self": _Kind("The user asks who I am.", f"{_AM} {ABILITIES}", "flashstep-nano"),
    "other": _Kind("The user takes me for someone else.", f"No. {_AM} {ABILITIES}", "flashstep-nano"),
    "maker": _Kind(
        "The user asks who made me.",
        "I was trained from scratch by the flashstep project, with the Step-3.5 architecture.",
        "flashstep project",
    ),
    "abilities": _Kind("The user asks what I can do.", ABILITIES, "count letters"),
    "greeting": _Kind("The user greets me.", f"Hello! I am flashstep-nano. {ABILITIES}", "flashstep-nano"),
    "thanks": _Kind("The user thanks me.", "You are welcome!", "welcome"),
    "goodbye": _Kind("The user says goodbye.", "Goodbye!", "goodbye"),
}
_SHARES = {"self": 5, "other": 3, "maker": 3, "abilities": 4, "greeting": 4, "thanks": 2, "goodbye": 1}
WORDINGS = tuple(f"identity_{kind}" for kind in _KINDS)


def generate(rng: random.Random, split: Split) -> Example:
    """Ask something about the model or just be polite."""
    name = rng.choices(list(_SHARES), list(_SHARES.values()))[0]
    kind = _KINDS[name]
    question = wordings(f"identity_{name}", split).choose(rng)
    if name not in ("greeting", "thanks", "goodbye"):  # "Hi, Goodbye! Thanks." would be of three kinds
        question = dress(rng, split, question)
    elif rng.random() < 0.15:
        question = question.lower().rstrip(".!")
    return Example("identity", question, kind.reasoning, kind.answer, kind.key, name)


def verify(example: Example, answer_text: str) -> bool:
    """True when the answer has the words that this kind of question must get. Praise may be thanked for; who is
    taken for somebody else does not say yes."""
    text = answer_text.lower()
    if example.subject == "thanks":
        return re.search(r"\b(welcome|thanks?|glad|pleasure)\b", text) is not None
    return example.key in text and not (example.subject == "other" and text.startswith("yes"))
