"""The user doubts an answer, rightly or not, or meant something else: it is worked out again."""

import random

from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.conversation.follow_up import asked_letter
from flashstep.training.tasks.dialogue import Dialogue
from flashstep.training.tasks.letters import count_example, count_sentence
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.script import Script
from flashstep.training.tasks.short_questions import SHORT_FAMILIES, truth_of
from flashstep.training.tasks.wording import quoted
from flashstep.training.tasks.words import sample_word, written

WORDINGS = ("correct_doubt", "correct_claim", "correct_meant", "letters", "add", "subtract")


def generate(rng: random.Random, split: Split) -> Dialogue:
    """A count or a sum, and an objection to it."""
    example = SHORT_FAMILIES[rng.choice(("letters", "letters", "arithmetic"))].generate(rng, split)
    if example.family == "letters" and rng.random() < 0.25:
        return _meant(rng, split, example)
    script = Script()
    is_wrong = rng.random() < 0.5
    said = _other_number(rng, example) if is_wrong else example.key
    script.user(example.question)
    script.answer(example.reasoning, _restated(example, said), truth_of(example))
    script.user(_objection(rng, split, example, said))
    verdict = f"I said {said}, it is {example.key}." if is_wrong else f"I said {said}, that is right."
    opening = "Sorry, I was wrong." if is_wrong else "I have checked it again."
    script.answer(f"{example.reasoning}\n{verdict}", f"{opening} {example.answer}", truth_of(example))
    # The first answer may be wrong and is not to be learned.
    return script.dialogue("talk_correction", [example.subject], trains_all=False)


def _meant(rng: random.Random, split: Split, example: Example) -> Dialogue:
    """The user meant another word."""
    script = Script()
    script.example(example)
    word = sample_word(rng, split)
    text = wordings("correct_meant", split).choose(rng)
    question = text.format(w=quoted(rng, written(rng, word), 0.6))
    script.example(count_example(word, asked_letter(example), question))
    return script.dialogue("talk_correction", [example.subject, word])


def _objection(rng: random.Random, split: Split, example: Example, said: str) -> str:
    """A doubt, or a claim that it is another number: the right one if the answer was wrong."""
    if rng.random() < 0.5:
        return wordings("correct_doubt", split).choose(rng)
    claimed = example.key if said != example.key else _other_number(rng, example)
    return wordings("correct_claim", split).choose(rng).format(v=claimed)


def _other_number(rng: random.Random, example: Example) -> str:
    """A number near the right one."""
    right = int(example.key)
    nearby = [right + step for step in (-2, -1, 1, 2, 10) if right + step >= 0 or right < 0]
    return str(rng.choice(nearby))


def _restated(example: Example, said: str) -> str:
    """The answer with another number; its grammar is that of this number, so that nothing else tells."""
    if example.family == "arithmetic":
        return example.answer.removesuffix(example.key) + said
    return count_sentence(example.subject, asked_letter(example), int(said))
