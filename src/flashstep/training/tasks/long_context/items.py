"""Numbered lists: the entry with a number."""

import random
from itertools import count

from flashstep.training.tasks.base import Split
from flashstep.training.tasks.long_context import names
from flashstep.training.tasks.long_context.haystack import (
    CountTokens,
    Haystack,
    LookUp,
    filler_lines,
    scattered,
)


def item(rng: random.Random, split: Split, num: int, num_tokens: int, count_tokens: CountTokens) -> Haystack:
    """A long list, asked for entries by their numbers."""
    start = 1 if rng.random() < 0.7 else rng.randrange(1, 500)
    taken: set[str] = set()
    targets = [names.of_split(rng, split, _entry, taken) for _ in range(num)]
    numbers = count(start)  # only for their length: a target moves those behind it by one
    lines = filler_lines(lambda: f"{next(numbers)}. {_entry(rng)}", targets, num_tokens, count_tokens)
    others = [entry for line in lines if (entry := line.partition(". ")[2]) not in taken]
    entries = list(enumerate(scattered(rng, others, targets), start))
    questions = (_question(number, entry) for number, entry in entries if entry in taken)
    return Haystack("\n".join(f"{number}. {entry}" for number, entry in entries), tuple(questions))


def _question(number: int, target: str) -> LookUp:
    line, answer = f"{number}. {target}", f"Entry {number} is {target}."
    return LookUp(f"Found: {line}", answer, target, target, {"n": number})


def _entry(rng: random.Random) -> str:
    return " ".join(names.word(rng) for _ in range(rng.randint(1, 3)))
