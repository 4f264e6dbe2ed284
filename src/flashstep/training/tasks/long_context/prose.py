"""Prose: one fact among many sentences, and the number of sentences that mention a word."""

import random

from flashstep.training.tasks.base import Split
from flashstep.training.tasks.dialogue import Dialogue
from flashstep.training.tasks.long_context import names
from flashstep.training.tasks.long_context.haystack import (
    DEFAULT_TOKENS,
    CountTokens,
    asked_about,
    estimated_tokens,
    filler_lines,
    scattered,
)
from flashstep.training.tasks.words import common_words

_THINGS = (
    "locker number", "favorite color", "room", "code", "ticket", "password", "seat", "phone number", "best friend",
    "lucky number", "badge", "key", "desk", "birthplace", "score", "account", "nickname", "dream", "prize", "order",
)  # fmt: skip
_FACTS = ("The {k} of {o} is {v}.", "{o} has the {k} {v}.", "For {o}, the {k} is {v}.", "{o}: {k} {v}.")
_SENTENCES = (
    "The {0} stood next to the {1}.", "Nobody had seen the {0} since the {1} arrived.", "A {0} and a {1} went by.",
    "It was a day for a {0}, not for a {1}.", "They talked about the {0} for hours.", "Then the {0} was gone.",
    "Between the {0} and the {1} there was a {2}.", "Every {0} needs a {1}.", "She wrote {0} on the wall.",
    "He asked for a {0} and got a {1}.", "In the evening they found the {0} again.", "The old {0} smelled of {1}.",
    "What is a {0} without a {1}?", "Without the {0} there is no {1}.", "Some say that the {0} was a {1}.",
    "We {0} and we {1}, they said.", "The {0} was as {1} as ever.", "Later that week a {0} came with the {1}.",
    "Nothing is more {0} than the {1}.", "The story of the {0} is long.",
)  # fmt: skip
MAX_MENTIONS = 5


def fact(
    rng: random.Random, split: Split, num_tokens: int = DEFAULT_TOKENS,
    count_tokens: CountTokens = estimated_tokens,
) -> Dialogue:  # fmt: skip
    """Ask for something that one sentence says of someone. Others say it of others, or other things."""
    taken: set[str] = set()
    owner, thing = names.of_split(rng, split, names.person, taken), rng.choice(_THINGS)
    others = names.several(rng, names.person, rng.randint(1, 4), taken)
    wanted = names.value(rng)
    form = rng.choice(_FACTS)
    needle = form.format(k=thing, o=owner, v=wanted)
    needles = [form.format(k=thing, o=other, v=names.value(rng)) for other in others]
    for other_thing in rng.sample([t for t in _THINGS if t != thing], rng.randint(0, 2)):
        needles.append(rng.choice(_FACTS).format(k=other_thing, o=owner, v=names.value(rng)))
    needles.insert(rng.randint(0, len(needles)), needle)
    lines = filler_lines(lambda: sentence(rng), needles, num_tokens, count_tokens)
    return asked_about(
        rng, split, "long_fact", paragraphs(rng, scattered(rng, lines, needles)),
        reasoning=f"Found: {needle}\n{thing}: {wanted}", answer=f"The {thing} of {owner} is {wanted}.",
        key=wanted, subject=owner, k=thing, o=owner,
    )  # fmt: skip


def count(
    rng: random.Random, split: Split, num_tokens: int = DEFAULT_TOKENS,
    count_tokens: CountTokens = estimated_tokens,
) -> Dialogue:  # fmt: skip
    """Ask how many sentences have a word: none to five."""
    wanted = rng.choice(common_words(split))
    number = rng.choice((0, 1, 2, 2, 3, 3, 4, MAX_MENTIONS))
    needles = [_mention(rng, wanted) for _ in range(number)]
    lines = filler_lines(lambda: sentence(rng, without=wanted), needles, num_tokens, count_tokens)
    found = [f"{i}. {needle}" for i, needle in enumerate(needles, 1)]
    return asked_about(
        rng, split, "long_count", paragraphs(rng, scattered(rng, lines, needles)),
        reasoning="\n".join([f"Mentions of {wanted}:", *found, f"So {number}."]),
        answer=f"The word {wanted} is mentioned {number} time{'' if number == 1 else 's'}.",
        key=str(number), subject=wanted, w=wanted,
    )  # fmt: skip


def sentence(rng: random.Random, without: str = "") -> str:
    """A sentence that means little, without that word."""
    while True:
        text = rng.choice(_SENTENCES).format(*(names.word(rng) for _ in range(3)))
        if not without or without not in text.lower():
            return text


def paragraphs(rng: random.Random, sentences: list[str]) -> str:
    """The sentences one a line, or several a line."""
    if rng.random() < 0.4:
        return "\n".join(sentences)
    size = rng.randint(3, 8)
    return "\n".join(" ".join(sentences[i : i + size]) for i in range(0, len(sentences), size))


def _mention(rng: random.Random, wanted: str) -> str:
    """A sentence with the word in it, once."""
    while True:
        words = [wanted, names.word(rng), names.word(rng)]
        rng.shuffle(words)
        text = rng.choice(_SENTENCES).format(*words)
        if text.lower().count(wanted) == 1:
            return text
