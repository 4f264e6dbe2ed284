"""Wordings by the thousand from a few patterns: "[Count|Find] the [|exact ]number" and the like.

People ask in words that no list has, so hand-written wordings are widened by every combination of
such alternatives.
"""

import itertools
import random
import re

_MOST_PER_PATTERN = 400  # or the pattern with the most alternatives would be nearly all that is seen


def expand(pattern: str) -> list[str]:
    """Every combination of the bracketed alternatives, spaces tidied.

    >>> expand("[Add|Sum] {a} and [|also] {b}.")
    ['Add {a} and {b}.', 'Add {a} and also {b}.', 'Sum {a} and {b}.', 'Sum {a} and also {b}.']
    """
    parts = [part.split("|") if i % 2 else [part] for i, part in enumerate(re.split(r"[\[\]]", pattern))]
    return [re.sub(" +", " ", "".join(choice)).strip() for choice in itertools.product(*parts)]


def some(pattern: str) -> list[str]:
    """The expansion of `pattern`, or a part of it that is always the same when there is too much."""
    expansion = expand(pattern)
    if len(expansion) <= _MOST_PER_PATTERN:
        return expansion
    return random.Random(expansion[0]).sample(expansion, _MOST_PER_PATTERN)


def normalised(wording: str) -> str:
    """`wording` without case and punctuation; two wordings are the same when these are equal."""
    return re.sub(r"[^a-z0-9{}+*/^<>=×÷%²³-]+", " ", wording.lower()).strip()
