"""Who and what is looked up, and the values that are found. Combinations of words are split, not words."""

import random
from collections.abc import Callable

from flashstep.training.tasks.base import Split, split_of
from flashstep.training.tasks.tools.parameters import simple_value
from flashstep.training.tasks.tools.vocabulary import listed
from flashstep.training.tasks.words import common_words


def person(rng: random.Random) -> str:
    """First name and surname: "Anna Olsen"."""
    return f"{rng.choice(listed('name', 'train'))} {rng.choice(listed('surname', 'train'))}"


def identifier(rng: random.Random) -> str:
    """A variable: "lamp_size"."""
    return f"{word(rng)}_{word(rng)}"


def word(rng: random.Random) -> str:
    """A common word. Of the train split: fillers may use it in both."""
    return rng.choice(common_words("train"))


def of_split(rng: random.Random, split: Split, make: Callable[[random.Random], str], taken: set[str]) -> str:
    """What `make` gives when it belongs to the split and is not in `taken`, where it is noted."""
    while True:
        made = make(rng)
        if made not in taken and split_of(made) == split:
            taken.add(made)
            return made


def several(rng: random.Random, make: Callable[[random.Random], str], num: int, taken: set[str]) -> list[str]:
    """`num` more of either split, none of them in `taken`."""
    made: list[str] = []
    while len(made) < num:
        new = make(rng)
        if new not in taken:
            taken.add(new)
            made.append(new)
    return made


def value(rng: random.Random) -> str:
    """What is to be found: a number, a word or a code."""
    draw = rng.random()
    if draw < 0.5:
        return str(rng.randrange(10 ** rng.randint(1, 5)))
    return word(rng) if draw < 0.75 else str(simple_value(rng, "train", "code"))
