"""Code: the value of a constant, and the last of several values that a variable is given."""

import random
from collections.abc import Collection

from flashstep.training.tasks.base import Split
from flashstep.training.tasks.long_context import names
from flashstep.training.tasks.long_context.haystack import (
    CountTokens,
    Haystack,
    LookUp,
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
    rng: random.Random, split: Split, num: int, num_tokens: int, count_tokens: CountTokens
) -> Haystack:
    """Asked for the value of a name that is set once."""
    make = _loud if rng.random() < 0.5 else names.identifier
    taken: set[str] = set()
    values = {names.of_split(rng, split, make, taken): _literal(rng) for _ in range(num)}
    others = [f"{name} = {_literal(rng)}" for name in names.several(rng, make, rng.randint(1, 5), taken)]
    needles = [f"{name} = {value}" for name, value in values.items()]
    lines = filler_lines(lambda: _line(rng, values), needles, num_tokens, count_tokens, others)
    needles = rng.sample([*needles, *others], len(needles) + len(others))
    questions = (
        LookUp(
            f"Found: {name} = {value}\n{name}: {value}",
            f"{name} is {value}.",
            value.strip('"'),
            name,
            {"o": name},
        )
        for name, value in values.items()
    )
    return Haystack("\n".join(scattered(rng, lines, needles)), tuple(questions))


def last_value(
    rng: random.Random, split: Split, num: int, num_tokens: int, count_tokens: CountTokens
) -> Haystack:
    """Asked for the value that a variable has in the end, after one to five assignments."""
    taken: set[str] = set()
    variables = [names.of_split(rng, split, names.identifier, taken) for _ in range(num)]
    order = [name for name in variables for _ in range(rng.randint(1, MAX_ASSIGNMENTS))]
    rng.shuffle(order)
    assigned = [(name, _literal(rng)) for name in order]
    needles = [f"{name} = {value}" for name, value in assigned]
    lines = filler_lines(lambda: _line(rng, variables), needles, num_tokens, count_tokens)
    questions = (_last(name, [v for other, v in assigned if other == name]) for name in variables)
    return Haystack("\n".join(scattered(rng, lines, needles)), tuple(questions))


def _last(name: str, values: list[str]) -> LookUp:
    lines = ["Found:", *(f"{name} = {value}" for value in values), f"Last: {values[-1]}"]
    answer = f"The last value of {name} is {values[-1]}."
    return LookUp("\n".join(lines), answer, values[-1].strip('"'), name, {"o": name})


def _loud(rng: random.Random) -> str:
    return names.identifier(rng).upper()


def _literal(rng: random.Random) -> str:
    value = names.value(rng)
    return value if value.isdigit() else f'"{value}"'


def _line(rng: random.Random, without: Collection[str]) -> str:
    """A line of code that makes no sense and does not touch those names."""
    while True:
        words = [names.word(rng) for _ in range(3)]
        text = rng.choice(_LINES).format(*words, n=rng.randrange(1000), i=names.identifier(rng))
        if all(name not in text for name in without):
            return text
