"""Code: the value of a constant, and the last of several values that a variable is given."""

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

_LINES = (
    "def {0}({1}, {2}):", "    return {0} + {1}", "    {0}.append({1})", "if {0} > {n}:", "    print({0})",
    "for {0} in {1}:", "    {0}({1}, {n})", "import {0}", "# {0} {1} {2}", "while {0} < {n}:", "    {0} += {n}",
    "class {0}:", "    pass", "assert {0} != {1}", "    {0} = {1}({2})", "return {0}", "{i} = {n}", "{i} = {n}",
    "{i} = {0}", "{i} = {n}", "del {0}",
)  # fmt: skip
MAX_ASSIGNMENTS = 5


def constant(
    rng: random.Random, split: Split, num_tokens: int = DEFAULT_TOKENS,
    count_tokens: CountTokens = estimated_tokens,
) -> Dialogue:  # fmt: skip
    """Ask for the value of a name that is set once."""
    make = _loud if rng.random() < 0.5 else names.identifier
    taken: set[str] = set()
    wanted, value = names.of_split(rng, split, make, taken), _literal(rng)
    needle = f"{wanted} = {value}"
    needles = [f"{other} = {_literal(rng)}" for other in names.several(rng, make, rng.randint(1, 5), taken)]
    needles.insert(rng.randint(0, len(needles)), needle)
    lines = filler_lines(lambda: _line(rng, wanted), needles, num_tokens, count_tokens)
    return asked_about(
        rng, split, "long_code", "\n".join(scattered(rng, lines, needles)),
        reasoning=f"Found: {needle}\n{wanted}: {value}", answer=f"{wanted} is {value}.",
        key=value.strip('"'), subject=wanted, o=wanted,
    )  # fmt: skip


def last_value(
    rng: random.Random, split: Split, num_tokens: int = DEFAULT_TOKENS,
    count_tokens: CountTokens = estimated_tokens,
) -> Dialogue:  # fmt: skip
    """Ask for the value that a variable has in the end, after one to five assignments."""
    wanted = names.of_split(rng, split, names.identifier, set())
    values = [_literal(rng) for _ in range(rng.randint(1, MAX_ASSIGNMENTS))]
    needles = [f"{wanted} = {value}" for value in values]
    lines = filler_lines(lambda: _line(rng, wanted), needles, num_tokens, count_tokens)
    return asked_about(
        rng, split, "long_last", "\n".join(scattered(rng, lines, needles)),
        reasoning="\n".join(["Found:", *needles, f"Last: {values[-1]}"]),
        answer=f"The last value of {wanted} is {values[-1]}.",
        key=values[-1].strip('"'), subject=wanted, o=wanted,
    )  # fmt: skip


def _loud(rng: random.Random) -> str:
    return names.identifier(rng).upper()


def _literal(rng: random.Random) -> str:
    value = names.value(rng)
    return value if value.isdigit() else f'"{value}"'


def _line(rng: random.Random, without: str) -> str:
    """A line of code that makes no sense and does not touch that name."""
    while True:
        words = [names.word(rng) for _ in range(3)]
        text = rng.choice(_LINES).format(*words, n=rng.randrange(1000), i=names.identifier(rng))
        if without not in text:
            return text
