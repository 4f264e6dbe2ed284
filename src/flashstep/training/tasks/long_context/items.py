"""Numbered lists: the entry with a number."""

import random
from itertools import count

from flashstep.training.tasks.base import Split, split_of
from flashstep.training.tasks.dialogue import Dialogue
from flashstep.training.tasks.long_context import names
from flashstep.training.tasks.long_context.haystack import (
    DEFAULT_TOKENS,
    CountTokens,
    asked_about,
    estimated_tokens,
    filler_lines,
)


def item(
    rng: random.Random, split: Split, num_tokens: int = DEFAULT_TOKENS,
    count_tokens: CountTokens = estimated_tokens,
) -> Dialogue:  # fmt: skip
    """Ask for one entry of a long list by its number."""
    start = 1 if rng.random() < 0.7 else rng.randrange(1, 500)
    target = names.of_split(rng, split, _entry, set())
    numbers = count(start)  # only for their length: the target moves those behind it by one
    lines = filler_lines(lambda: f"{next(numbers)}. {_entry(rng)}", [target], num_tokens, count_tokens)
    place = rng.randint(0, len(lines))
    entries = [line.partition(". ")[2] for line in lines]
    entries.insert(place, target)
    numbered = [f"{number}. {entry}" for number, entry in enumerate(entries, start)]
    assert split_of(entries[place]) == split
    return asked_about(
        rng, split, "long_item", "\n".join(numbered),
        reasoning=f"Found: {numbered[place]}", answer=f"Entry {start + place} is {target}.",
        key=target, subject=target, n=start + place,
    )  # fmt: skip


def _entry(rng: random.Random) -> str:
    return " ".join(names.word(rng) for _ in range(rng.randint(1, 3)))
