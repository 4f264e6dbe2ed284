"""The words that tools, parameters and values are composed of; every tenth of them is held out.

A list's words belong to a split by `split_of`, so eval tools have verbs, nouns and parameter names that no
training tool has.
"""

import random
from functools import cache
from importlib import resources

from flashstep.training.tasks.base import Split, split_of
from flashstep.training.tasks.words import common_words, sample_word

_INVENTED_SHARE, _SHORT_NAME_SHARE = 0.12, 0.6
# In training only: a model that has the few verbs and nouns by heart copies no others.
_ODD_SHARE = 0.25


@cache
def listed(slot: str, split: Split) -> tuple[str, ...]:
    """The entries of the list `slot` in vocabulary.txt that belong to one split."""
    return tuple(entry for entry in _entries(slot) if split_of(entry) == split)


def parameter_name(rng: random.Random, split: Split, kind: str, taken: set[str]) -> str:
    """A name in words for a parameter of one kind that is not in `taken`: "city", "target city"."""
    if split == "train" and rng.random() < _ODD_SHARE:
        odd = f"{rng.choice(common_words(split))} {rng.choice(_entries(kind))}"
        if odd not in taken and split_of(odd) == split:
            return odd
    short = [name for name in listed(kind, split) if name not in taken]
    if short and rng.random() < _SHORT_NAME_SHARE:
        return rng.choice(short)
    return rng.choice([name for name in _long_names(kind, split) if name not in taken])


def verbs(rng: random.Random, split: Split, slot: str) -> tuple[str, str]:
    """A verb and another for the same act; slot "do" changes something, "read" only looks."""
    if split == "train" and rng.random() < _ODD_SHARE:
        return _odd_verbs(rng)
    first, second = rng.choice(listed(slot, split)).split("/")
    return first, second


def nouns(rng: random.Random, split: Split) -> tuple[str, ...]:
    """What a tool deals with: one noun or two, at times one that does not exist."""
    if rng.random() < _INVENTED_SHARE:
        return (sample_word(rng, split),)
    if split == "train" and rng.random() < _ODD_SHARE:
        return tuple(rng.sample(common_words(split), 2 if rng.random() < 0.3 else 1))
    return tuple(rng.sample(listed("noun", split), 2 if rng.random() < 0.3 else 1))


def phrase(rng: random.Random, split: Split) -> str:
    """A few words to be copied exactly: "quiet window lamp", at times capitalised."""
    words = rng.choices(common_words(split), k=rng.randint(1, 4))
    while rng.random() < (0.2 if split == "eval" else 0.35):
        words[rng.randrange(len(words))] = sample_word(rng, split)
    text = " ".join(words)
    return rng.choice((text, text, text.capitalize(), text.title()))


def _odd_verbs(rng: random.Random) -> tuple[str, str]:
    """Two words that are no verbs, or none at all."""
    while True:
        first, second = (
            rng.choice((sample_word(rng, "train"), *rng.sample(common_words("train"), 2))) for _ in "12"
        )
        if first != second and split_of(f"{first}/{second}") == "train":
            return first, second


@cache
def _long_names(kind: str, split: Split) -> tuple[str, ...]:
    names = (f"{modifier} {name}" for modifier in _entries("modifier") for name in _entries(kind))
    return tuple(name for name in names if split_of(name) == split)


@cache
def _entries(slot: str) -> tuple[str, ...]:
    text = resources.files(__package__).joinpath("vocabulary.txt").read_text(encoding="utf-8")
    lines = (line.partition(": ") for line in text.splitlines())
    return tuple(next(values for name, _, values in lines if name == slot).split(", "))
