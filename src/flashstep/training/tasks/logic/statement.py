"""Statements over nouns: "all cats are pets", "some pets are not birds", "Tom is a cat"; said and read."""

import random
import re
from dataclasses import dataclass

from flashstep.training.tasks.people import is_name

NOUNS = (
    "cats", "dogs", "birds", "pets", "animals", "horses", "cows", "robots", "doctors", "teachers",
    "artists", "dancers", "singers", "farmers", "bakers", "drivers", "pilots", "sailors", "painters",
    "writers", "poets", "actors", "lawyers", "tailors", "students", "swimmers", "runners", "tables",
    "chairs", "lamps", "books", "cars", "boats", "trains", "planes", "flowers", "roses", "trees",
    "plants", "apples", "stones", "gems", "rings", "coins", "stars", "planets", "rivers", "lakes",
    "clouds", "dragons", "wizards", "giants", "elves", "trolls", "lizards", "snakes", "frogs", "eagles",
    "ducks", "bears", "tigers", "lions", "rabbits", "spiders", "insects", "toys", "tools", "cups",
    "bottles", "hats", "coats", "shirts", "shoes", "songs", "dreams", "blickets", "wugs", "daxes",
    "zorps", "fleems", "grints",
)  # fmt: skip
_IRREGULAR = {"elves": "elf", "daxes": "dax"}
_STATEMENT = re.compile(
    r"\b(all|some|no) (\w+) are (not )?(\w+)|\b(every|no) (\w+) is an? ()(\w+)|\b(\w+) is (not )?an? (\w+)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Statement:
    """`kind` is all, no, some or is; "some ... are not" and "is not" have `is_negative`. Nouns are plural,
    the subject of "is" is a name."""

    kind: str
    subject: str
    predicate: str
    is_negative: bool = False

    def text(self) -> str:
        """The statement in plain words, as a claim has it: "some cats are not pets"."""
        negation = "not " if self.is_negative else ""
        if self.kind == "is":
            return f"{self.subject} is {negation}{_one(self.predicate)}"
        return f"{self.kind} {self.subject} are {negation}{self.predicate}"

    @property
    def property(self) -> str:
        """What the statement gives to its subject: "not pets"."""
        return f"not {self.predicate}" if self.kind == "no" or self.is_negative else self.predicate


def read(text: str) -> list[Statement]:
    """The statements of `text` about known nouns and names, in order; names keep their case."""
    statements = []
    for match in _STATEMENT.finditer(text):
        groups = [group for group in match.groups() if group is not None]
        if match[9]:
            statement = Statement("is", match[9], _many(match[11].lower()), bool(match[10]))
        else:
            kind, subject, predicate = groups[0].lower(), groups[1].lower(), groups[-1].lower()
            if match[5]:
                kind, subject, predicate = kind.replace("every", "all"), _many(subject), _many(predicate)
            statement = Statement(kind, subject, predicate, bool(match[3]))
        if statement.predicate in NOUNS and (statement.subject in NOUNS or is_name(statement.subject)):
            statements.append(statement)
    return statements


def sentence(rng: random.Random, statement: Statement) -> str:
    """The statement as a sentence; a rule is said in the singular in three of ten cases."""
    text = statement.text()
    if statement.kind in ("all", "no") and rng.random() < 0.3:
        quantifier = "every" if statement.kind == "all" else "no"
        text = f"{quantifier} {_one(statement.subject, bare=True)} is {_one(statement.predicate)}"
    return f"{text[0].upper()}{text[1:]}."


def _one(plural: str, bare: bool = False) -> str:
    singular = _IRREGULAR.get(plural, plural[:-1])
    return singular if bare else f"{'an' if singular[0] in 'aeiou' else 'a'} {singular}"


def _many(singular: str) -> str:
    return next((many for many, one in _IRREGULAR.items() if one == singular), f"{singular}s")
