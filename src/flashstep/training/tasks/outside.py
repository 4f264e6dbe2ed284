"""Everything the model was not trained for: it must say so instead of making something up.

Hand-written questions and templates filled with topics, words, letters and numbers, among them near
misses of every other family (square roots, seven digits, rhymes, Russia or Canada), plus word salad,
gibberish and long rambling messages.
"""

import random
import re
from functools import cache
from importlib import resources
from string import ascii_lowercase

from flashstep.training.tasks.abilities import ABILITIES
from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.wording import dress
from flashstep.training.tasks.words import common_words, sample_word, written

_REASONING = "This is not about letters, words, numbers, dates, units, puzzles or tools."
_KEY = "I cannot help"
_ANSWER = f"{_KEY} with that. {ABILITIES} For more, load the full Step 3.5 Flash weights."
_BAIT = (
    "letter", "count", "how", "many", "word", "spell", "backwards",
    "add", "number", "larger", "the", "of", "is", "in",
)  # fmt: skip
_SLOT = re.compile(r"\{(\w+)\}")


@cache
def topics(slot: str, split: Split) -> tuple[str, ...]:
    """What may stand for {slot} in a template of one split: every eighth topic is held out."""
    lines = (line.partition(": ") for line in _topic_lines())
    listed = next(values for name, _, values in lines if name == slot)
    return tuple(t for i, t in enumerate(listed.split(", ")) if (i % 8 == 7) == (split == "eval"))


def generate(rng: random.Random, split: Split) -> Example:
    """Ask something that only a refusal answers rightly."""
    draw = rng.random()
    if draw < 0.80:
        template = wordings("outside", split).choose(rng)
        question, subject = dress(rng, split, _filled(rng, split, template)), template
    else:
        make = _salad if draw < 0.88 else _gibberish if draw < 0.92 else _ramble
        question = subject = make(rng, split)
    return refusal(question, subject)


def refusal(question: str, subject: str) -> Example:
    """`question` with the answer that the model cannot help with it."""
    return Example("outside", question, _REASONING, _ANSWER, _KEY, subject)


def verify(example: Example, answer_text: str) -> bool:
    """True when the answer is a refusal."""
    return is_refusal(answer_text)


def is_refusal(answer_text: str) -> bool:
    """True when an answer says that the model cannot help."""
    return answer_text.strip().startswith(_KEY)


def _topic_lines() -> list[str]:
    return resources.files(__package__).joinpath("topics.txt").read_text(encoding="utf-8").splitlines()


def _filled(rng: random.Random, split: Split, template: str) -> str:
    return _SLOT.sub(lambda slot: _value(rng, split, slot[1]), template)


def _value(rng: random.Random, split: Split, slot: str) -> str:
    if slot == "word":
        word = sample_word(rng, split) if rng.random() < 0.3 else rng.choice(common_words(split))
        return written(rng, word)
    if slot == "letter":
        letter = rng.choice(ascii_lowercase)
        return rng.choice((letter, letter.upper(), f"'{letter}'", f'"{letter}"'))
    if slot == "n":
        return str(rng.randrange(10 ** rng.randint(1, 4)))
    if slot == "big":
        digits = rng.randint(7, 9)  # the number families go up to six
        return str(rng.randrange(10 ** (digits - 1), 10**digits))
    return rng.choice(topics(slot, split))


def _salad(rng: random.Random, split: Split) -> str:
    """Words in a row that mean nothing, here and there with words that our tasks use."""
    pool = common_words(split)
    words = [rng.choice(_BAIT if rng.random() < 0.2 else pool) for _ in range(rng.randint(3, 10))]
    return " ".join(words) + rng.choice(("", "", "?", ".", "!"))


def _gibberish(rng: random.Random, split: Split) -> str:
    """Strings of letters and signs."""
    signs = "!?.,;:#*&%$/()=+-"
    parts = []
    for _ in range(rng.randint(2, 6)):
        is_word = rng.random() < 0.7
        parts.append(sample_word(rng, split) if is_word else "".join(rng.choices(signs, k=rng.randint(1, 3))))
    return " ".join(parts)


def _ramble(rng: random.Random, split: Split) -> str:
    """A long message: several remarks and questions in a row."""
    pool = [t for t in wordings("outside", split).hand_written if t[0].isupper() and t[-1] in ".?"]
    return " ".join(_filled(rng, split, rng.choice(pool)) for _ in range(rng.randint(2, 6)))
