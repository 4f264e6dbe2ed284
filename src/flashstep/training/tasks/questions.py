"""The wordings of questions, one list per kind and split, and how one is drawn.

`questions/<split>/<kind>.txt` holds one wording a line. A line with brackets is a pattern that
stands for all its combinations (`grammar.py`); patterns occur in the train split only. The eval
lists were written by someone who had not seen the train lists; what equals an eval wording is
dropped from training.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from flashstep.training.tasks.base import Split
from flashstep.training.tasks.grammar import normalised, some

_HAND_WRITTEN_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Wordings:
    """All wordings of one kind and split: hand-written ones, and what the patterns add to them."""

    hand_written: tuple[str, ...]
    expanded: tuple[str, ...]

    def choose(self, rng: random.Random) -> str:
        """One wording, hand-written with probability one half."""
        if not self.expanded or rng.random() < _HAND_WRITTEN_SHARE:
            return rng.choice(self.hand_written)
        return rng.choice(self.expanded)

    def all(self) -> tuple[str, ...]:
        """Both kinds, hand-written ones first."""
        return self.hand_written + self.expanded


@cache
def wordings(kind: str, split: Split) -> Wordings:
    """The wordings of `kind` ("letters", "add", "identity_self", ...) in one split."""
    if split == "eval":
        return Wordings(_lines(kind, "eval"), ())
    lines = _lines(kind, "train")
    taken = {normalised(line) for line in _lines(kind, "eval")}
    hand_written = _new((line for line in lines if "[" not in line), taken)
    expanded = _new((text for line in lines if "[" in line for text in some(line)), taken)
    return Wordings(hand_written, expanded)


def has_eval_wordings(kind: str) -> bool:
    """True once someone has written the held-out list of `kind`; a new kind starts without one."""
    return _file(kind, "eval").is_file()


def _file(kind: str, split: Split) -> Traversable:
    return resources.files(__package__).joinpath("questions", split, f"{kind}.txt")


def _lines(kind: str, split: Split) -> tuple[str, ...]:
    if split == "eval" and not has_eval_wordings(kind):
        return ()
    return tuple(_file(kind, split).read_text(encoding="utf-8").splitlines())


def _new(texts: Iterable[str], taken: set[str]) -> tuple[str, ...]:
    """The texts that are not taken; takes them."""
    kept: dict[str, str] = {}
    for text in texts:
        kept.setdefault(normalised(text), text)
    new = {key: text for key, text in kept.items() if key not in taken}
    taken.update(new)
    return tuple(new.values())
