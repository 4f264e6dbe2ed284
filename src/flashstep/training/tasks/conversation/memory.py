"""The user tells something about themselves and asks for it later."""

import random

from flashstep.training.tasks.base import Split, split_of
from flashstep.training.tasks.dialogue import Dialogue, Truth
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.script import Script
from flashstep.training.tasks.short_questions import SHORT_WORDINGS, short_example
from flashstep.training.tasks.words import common_words, sample_word

WORDINGS = (
    "memory_tell", "memory_ask", *SHORT_WORDINGS
)  # fmt: skip
_THINGS = (
    "name", "dog", "cat", "favorite color", "favorite food", "favorite animal", "city", "street", "school",
    "job", "hobby", "password", "nickname", "surname", "teacher", "boat", "team", "bank", "doctor",
    "project", "horse", "robot", "shop", "neighbor", "username", "favorite word", "sport", "car",
)  # fmt: skip
_UNKNOWN = "You have not told me"


def generate(rng: random.Random, split: Split) -> Dialogue:
    """One to three things are told, other questions may come between, then one is asked for; at times one
    that was not told."""
    script = Script()
    things = rng.sample(_THINGS, rng.choice((2, 3, 4)))
    missing, *told = things
    known = {thing: _value(rng, split) for thing in told}
    subjects = [value.lower() for value in known.values()]
    for thing, value in known.items():
        script.user(wordings("memory_tell", split).choose(rng).format(k=thing, x=value))
        script.answer(
            f"The user tells me: {thing}, {value}.", f"Noted: your {thing} is {value}.", Truth(value)
        )
    for _ in range(rng.choice((0, 0, 1, 2))):
        example = short_example(rng, split)
        subjects.append(example.subject)
        script.example(example)
    _ask(rng, split, script, missing if rng.random() < 0.2 else rng.choice(told), known)
    return script.dialogue("talk_memory", subjects)


def _ask(rng: random.Random, split: Split, script: Script, thing: str, known: dict[str, str]) -> None:
    script.user(wordings("memory_ask", split).choose(rng).format(k=thing))
    if thing in known:
        reasoning = f"The user told me: {thing}, {known[thing]}."
        script.answer(reasoning, f"Your {thing} is {known[thing]}.", Truth(known[thing]))
    else:
        script.answer(f"The user told me nothing of: {thing}.", f"{_UNKNOWN} your {thing}.", Truth(_UNKNOWN))


def _value(rng: random.Random, split: Split) -> str:
    word = sample_word(rng, split) if rng.random() < 0.3 else rng.choice(common_words(split))
    assert split_of(word) == split
    return rng.choice((word, word.capitalize()))
