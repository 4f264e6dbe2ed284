"""Logs: a field of the only line of one user."""

import random

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


def field(rng: random.Random, split: Split, num: int, num_tokens: int, count_tokens: CountTokens) -> Haystack:
    """Asked for what a log says of a user, who occurs in one line."""
    users: set[str] = set()
    fields = rng.sample(_FIELDS, rng.randint(1, 2))
    needles, questions = [], []
    for _ in range(num):
        user, values = names.of_split(rng, split, _user, users), {name: names.value(rng) for name in fields}
        needles.append(_line(rng, user, values))
        asked = rng.choice(fields)
        questions.append(_question(needles[-1], user, asked, values[asked]))
    stamp = rng.randrange(1000) if rng.random() < 0.5 else None
    extra = 0 if stamp is None else _STAMP_TOKENS
    lines = filler_lines(
        lambda: _other_line(rng, users, fields), needles, num_tokens, lambda text: count_tokens(text) + extra
    )
    lines = scattered(rng, lines, needles)
    if stamp is not None:
        lines = [f"{number} {line}" for number, line in enumerate(lines, stamp)]
    return Haystack("\n".join(lines), tuple(questions))


def _question(needle: str, user: str, asked: str, value: str) -> LookUp:
    found, answer = from_words(needle, f"user={user}"), f"The {asked} of {user} is {value}."
    return LookUp(f"Found: {found}\n{asked}: {value}", answer, value, user, {"k": asked, "o": user})


def _user(rng: random.Random) -> str:
    return names.person(rng).lower().replace(" ", ".")


def _line(rng: random.Random, user: str, values: dict[str, str]) -> str:
    told = " ".join(f"{name}={value}" for name, value in values.items())
    return f"{rng.choice(_LEVELS)} {names.word(rng)} user={user} {told}"


def _other_line(rng: random.Random, users: set[str], fields: list[str]) -> str:
    while True:
        other = _user(rng)
        if other not in users:
            return _line(rng, other, {name: names.value(rng) for name in fields})
