"""Phrasings by the thousand from a few patterns: "[Count|Find] the [|exact ]number" and the like.

People ask in words that no list has, so hand-written phrasings are widened by every combination of
such alternatives. What equals a held-out phrasing is left out.
"""

import itertools
import random
import re
from collections.abc import Iterable

_HAND_WRITTEN_SHARE = 0.4
_MOST_PER_PATTERN = 400  # or the pattern with the most alternatives would be nearly all that is seen


def expand(pattern: str) -> list[str]:
    """Every combination of the bracketed alternatives, spaces tidied.

    >>> expand("[Add|Sum] {a} and [|also] {b}.")
    ['Add {a} and {b}.', 'Add {a} and also {b}.', 'Sum {a} and {b}.', 'Sum {a} and also {b}.']
    """
    parts = [part.split("|") if i % 2 else [part] for i, part in enumerate(re.split(r"[\[\]]", pattern))]
    return [re.sub(" +", " ", "".join(choice)).strip() for choice in itertools.product(*parts)]


def normalised(phrasing: str) -> str:
    """`phrasing` without case and punctuation; two phrasings are the same when these are equal."""
    return re.sub(r"[^a-z0-9{}+*/^<>=-]+", " ", phrasing.lower()).strip()


def widen(
    hand_written: tuple[str, ...], patterns: Iterable[str], held_out: tuple[str, ...]
) -> tuple[str, ...]:
    """The hand-written phrasings first, then what the patterns add; nothing twice, nothing held out."""
    taken = {normalised(p) for p in (*hand_written, *held_out)}
    added = {normalised(p): p for pattern in patterns for p in _some(expand(pattern))}
    return (*hand_written, *(p for key, p in added.items() if key not in taken))


def _some(expansion: list[str]) -> list[str]:
    """At most `_MOST_PER_PATTERN` of them, always the same ones."""
    if len(expansion) <= _MOST_PER_PATTERN:
        return expansion
    return random.Random(expansion[0]).sample(expansion, _MOST_PER_PATTERN)


def choose(rng: random.Random, phrasings: tuple[str, ...], num_hand_written: int) -> str:
    """One phrasing: a hand-written one (they come first) two times out of five."""
    if rng.random() < _HAND_WRITTEN_SHARE or num_hand_written == len(phrasings):
        return phrasings[rng.randrange(num_hand_written)]
    return phrasings[rng.randrange(num_hand_written, len(phrasings))]
