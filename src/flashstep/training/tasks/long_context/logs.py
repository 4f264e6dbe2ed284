"""Logs: a field of the only line of one user."""

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
)

_FIELDS = (
    "port",
    "session",
    "key",
    "status",
    "size",
    "node",
    "host",
    "order",
    "token",
    "page",
    "queue",
    "disk",
)
_STAMP_TOKENS = 4  # digits of a line number
_LEVELS = ("INFO", "INFO", "WARN", "DEBUG", "ERROR")


def field(
    rng: random.Random, split: Split, num_tokens: int = DEFAULT_TOKENS,
    count_tokens: CountTokens = estimated_tokens,
) -> Dialogue:  # fmt: skip
    """Ask for what a log says of one user, who occurs in one line."""
    taken: set[str] = set()
    user = names.of_split(rng, split, _user, taken)
    fields = rng.sample(_FIELDS, rng.randint(1, 2))
    values = {name: names.value(rng) for name in fields}
    asked = rng.choice(fields)
    needle = _line(rng, user, values)
    stamp = rng.randrange(1000) if rng.random() < 0.5 else None
    extra = 0 if stamp is None else _STAMP_TOKENS
    lines = filler_lines(
        lambda: _other_line(rng, user, fields), [needle], num_tokens, lambda text: count_tokens(text) + extra
    )
    lines.insert(rng.randint(0, len(lines)), needle)
    if stamp is not None:
        lines = [f"{number} {line}" for number, line in enumerate(lines, stamp)]
    return asked_about(
        rng, split, "long_log", "\n".join(lines),
        reasoning=f"Found: {needle}\n{asked}: {values[asked]}", answer=f"The {asked} of {user} is {values[asked]}.",
        key=values[asked], subject=user, k=asked, o=user,
    )  # fmt: skip


def _user(rng: random.Random) -> str:
    return names.person(rng).lower().replace(" ", ".")


def _line(rng: random.Random, user: str, values: dict[str, str]) -> str:
    told = " ".join(f"{name}={value}" for name, value in values.items())
    return f"{rng.choice(_LEVELS)} {names.word(rng)} user={user} {told}"


def _other_line(rng: random.Random, user: str, fields: list[str]) -> str:
    while True:
        other = _user(rng)
        if other != user:
            return _line(rng, other, {name: names.value(rng) for name in fields})
