"""Prose: one fact among many sentences, and the number of sentences that mention a word."""

import random
import re
from collections.abc import Collection
from itertools import permutations

from flashstep.training.tasks.base import Split
from flashstep.training.tasks.long_context import names
from flashstep.training.tasks.long_context.haystack import (
    CountTokens,
    Haystack,
    LookUp,
    filler_lines,
    from_words,
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
_NUM_MENTIONS = (0, 1, 2, 2, 3, 3, 4, MAX_MENTIONS)


def fact(rng: random.Random, split: Split, num: int, num_tokens: int, count_tokens: CountTokens) -> Haystack:
    """Asked for something that one sentence says of someone. Others say it of others, or other things."""
    taken: set[str] = set()
    owners, thing = [names.of_split(rng, split, names.person, taken) for _ in range(num)], rng.choice(_THINGS)
    form = rng.choice(_FACTS)
    facts = [(owner, names.value(rng)) for owner in owners]
    others = names.several(rng, names.person, rng.randint(1, 4), taken)
    besides = [form.format(k=thing, o=other, v=names.value(rng)) for other in others]
    for other_thing in rng.sample([t for t in _THINGS if t != thing], rng.randint(0, 2)):
        besides.append(rng.choice(_FACTS).format(k=other_thing, o=owners[0], v=names.value(rng)))
    needles = [form.format(k=thing, o=owner, v=value) for owner, value in facts]
    questions = [_question(needle, thing, *each) for needle, each in zip(needles, facts, strict=True)]
    lines = filler_lines(lambda: sentence(rng), needles, num_tokens, count_tokens, besides)
    needles = rng.sample([*needles, *besides], len(needles) + len(besides))
    return Haystack(paragraphs(rng, scattered(rng, lines, needles)), tuple(questions))


def _question(needle: str, thing: str, owner: str, value: str) -> LookUp:
    found = from_words(needle, owner)
    answer = f"The {thing} of {owner} is {value}."
    return LookUp(f"Found: {found}\n{thing}: {value}", answer, value, owner, {"k": thing, "o": owner})


def count(rng: random.Random, split: Split, num: int, num_tokens: int, count_tokens: CountTokens) -> Haystack:
    """Asked how many sentences have a word: none to five."""
    wanted = _words_apart(rng, split, num)
    mentions = [
        (word, _mention(rng, word, wanted)) for word in wanted for _ in range(rng.choice(_NUM_MENTIONS))
    ]
    rng.shuffle(mentions)
    needles = [needle for _, needle in mentions]
    lines = filler_lines(lambda: sentence(rng, wanted), needles, num_tokens, count_tokens)
    questions = (_count(word, [needle for other, needle in mentions if other == word]) for word in wanted)
    return Haystack(paragraphs(rng, scattered(rng, lines, needles)), tuple(questions))


def _words_apart(rng: random.Random, split: Split, num: int) -> list[str]:
    """Words of which none is part of another."""
    while True:
        words = rng.sample(common_words(split), num)
        if not any(one in other for one, other in permutations(words, 2)):
            return words


def _count(wanted: str, needles: list[str]) -> LookUp:
    number = len(needles)
    found = [f"{i}. {from_words(needle, wanted)}" for i, needle in enumerate(needles, 1)]
    reasoning = "\n".join([f"Mentions of {wanted}:", *found, f"So {number}."])
    answer = f"The word {wanted} is mentioned {number} time{'' if number == 1 else 's'}."
    return LookUp(reasoning, answer, str(number), wanted, {"w": wanted})


def sentence(rng: random.Random, without: Collection[str] = ()) -> str:
    """A sentence that means little, without those words."""
    while True:
        text = rng.choice(_SENTENCES).format(*(names.word(rng) for _ in range(3)))
        if all(word not in text.lower() for word in without):
            return text


def paragraphs(rng: random.Random, sentences: list[str]) -> str:
    """The sentences one a line, or several a line."""
    if rng.random() < 0.4:
        return "\n".join(sentences)
    size = rng.randint(3, 8)
    return "\n".join(" ".join(sentences[i : i + size]) for i in range(0, len(sentences), size))


def _mention(rng: random.Random, wanted: str, all_wanted: Collection[str]) -> str:
    """A sentence with the word in it, once, and none of the others."""
    while True:
        words = [wanted, names.word(rng), names.word(rng)]
        rng.shuffle(words)
        text = rng.choice(_SENTENCES).format(*words)
        is_there = re.search(rf"\b{re.escape(wanted)}\b", text)  # not the "ape" of "paper"
        if is_there and sum(text.lower().count(word) for word in all_wanted) == 1:
            return text
