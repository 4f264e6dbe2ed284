"""A question, then another that only the first makes clear: "and in blueberry?"."""

import random
import re

from flashstep.training.tasks import backwards, letters, spelling
from flashstep.training.tasks.backwards import reverse_example
from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.dialogue import Dialogue
from flashstep.training.tasks.letters import choose_letter, count_example, letter_noun
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.script import Script
from flashstep.training.tasks.short_questions import SHORT_FAMILIES, SHORT_WORDINGS
from flashstep.training.tasks.spelling import spell_example
from flashstep.training.tasks.wording import quoted
from flashstep.training.tasks.words import sample_word, written

WORDINGS = (
    "follow_in_word", "follow_word", "follow_letter", "follow_pair", "follow_spell", "follow_reverse",
    *SHORT_WORDINGS,
)  # fmt: skip
_WORD_FAMILIES = {"letters": letters, "spelling": spelling, "backwards": backwards}


def generate(rng: random.Random, split: Split) -> Dialogue:
    """One question and one to three that follow up on it."""
    family = rng.choices(("letters", "spelling", "backwards", "arithmetic", "comparison"), (5, 2, 3, 2, 2))[0]
    example = _unequal(rng, split, family)
    while _names_second_first(example):
        example = _unequal(rng, split, family)
    script, subjects = Script(), [example.subject]
    script.example(example)
    for _ in range(rng.choice((1, 1, 2, 3))):
        example = follow_up(rng, split, example)
        subjects.append(example.subject)
        script.example(example)
    return script.dialogue("talk_follow_up", subjects)


def follow_up(rng: random.Random, split: Split, before: Example) -> Example:
    """What someone may ask next who has just asked `before`, whose answer is not that numbers are equal."""
    if before.family in ("arithmetic", "comparison"):
        return _pair(rng, split, before)
    draw = rng.random()
    if draw < 0.2 and before.family != "backwards":  # "spell it" could mean the reversed word
        return _other_task(rng, split, before)
    if before.family == "letters" and draw < 0.5:
        return _other_letter(rng, split, before)
    return _other_word(rng, split, before)


def asked_letter(example: Example) -> str:
    """The letter that a question of the family `letters` counts."""
    return example.reasoning[len("Letter ")]


def _other_word(rng: random.Random, split: Split, before: Example) -> Example:
    """The same of another word."""
    word = sample_word(rng, split)
    said = quoted(rng, written(rng, word), 0.6)
    if before.family == "letters":
        kind = rng.choice(("follow_in_word", "follow_word"))
        return count_example(word, asked_letter(before), _asked(rng, split, kind, w=said))
    make = spell_example if before.family == "spelling" else reverse_example
    return make(word, _asked(rng, split, "follow_word", w=said))


def _other_letter(rng: random.Random, split: Split, before: Example) -> Example:
    """Another letter of the same word."""
    letter = asked_letter(before)
    while letter == asked_letter(before):
        letter = choose_letter(rng, before.subject)
    question = _asked(rng, split, "follow_letter", s=letter_noun(rng, letter))
    return count_example(before.subject, letter, question)


def _other_task(rng: random.Random, split: Split, before: Example) -> Example:
    """The same word, spelled or backwards."""
    if before.family == "spelling" or (before.family == "letters" and rng.random() < 0.5):
        return reverse_example(before.subject, _asked(rng, split, "follow_reverse"))
    return spell_example(before.subject, _asked(rng, split, "follow_spell"))


def _pair(rng: random.Random, split: Split, before: Example) -> Example:
    """Two other numbers: the same operation, the same direction of comparison."""
    while True:
        after = _unequal(rng, split, before.family)
        if _manner(after) == _manner(before):
            break
    a, b = _operands(after)
    question = _asked(rng, split, "follow_pair", a=a, b=b)
    return Example(after.family, question, after.reasoning, after.answer, after.key, after.subject)


def _unequal(rng: random.Random, split: Split, family: str) -> Example:
    """An example whose answer tells how it was asked: that two numbers are equal does not."""
    while True:
        example = SHORT_FAMILIES[family].generate(rng, split)
        if "equal" not in example.key:
            return example


def _names_second_first(example: Example) -> bool:
    """ "Subtract 66 from 828": in "and with 70 and 135?" behind it, either could be the first."""
    if example.family != "arithmetic":
        return False
    first, second = (re.search(rf"\b{n}\b", example.question.replace(",", "")) for n in _operands(example))
    return first is not None and second is not None and second.start() < first.start()


def _manner(example: Example) -> str:
    """The sign of an operation, the direction of a comparison."""
    return example.answer.split()[1] if example.family == "arithmetic" else example.key.split()[-1]


def _operands(example: Example) -> tuple[str, str]:
    if example.family == "arithmetic":
        a, _, b = example.answer.split()[:3]
        return a, b
    a, b = example.reasoning.split(":")[0].split(" and ")
    return a, b


def _asked(rng: random.Random, split: Split, kind: str, **slots: str) -> str:
    text = wordings(kind, split).choose(rng).format(**slots)
    return text if rng.random() < 0.7 else text[0].upper() + text[1:]
