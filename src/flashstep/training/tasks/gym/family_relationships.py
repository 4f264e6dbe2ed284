"""What one member of a family is to another: what the story says of both, and the person in between."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from flashstep.training.tasks.gym.solved import Entry, Solved
from flashstep.training.tasks.logic.kinship import WORDS

_COUPLE = re.compile(r"(\w+) is married to (\w+)\.(?: They have (?:a child|children) called ([^.]+)\.)?")
_SEX_OF = {word: index for words in WORDS.values() for index, word in enumerate(words)}
_SEXES = ("woman", "man")

# Husband, wife, children.
_Family = tuple[str, str, list[str]]


@dataclass(frozen=True, slots=True)
class _Person:
    name: str
    parents: tuple[str, ...]
    spouse: tuple[str, ...]
    children: tuple[str, ...]

    def line(self) -> str:
        return (
            f"{self.name}: parents {_listed(self.parents)}, spouse {_listed(self.spouse)}, "
            f"children {_listed(self.children)}"
        )


def solve(entry: Entry) -> Solved:
    """Parents, spouse and children of both, who links them and how, and who it is that gives the word. Between
    in-laws the task wants to know what the second is to the first.

    Nova to Ethan
    Nova: parents none, spouse Finn, children Lily
    Ethan: parents John Lily, spouse none, children none
    Lily: child of Nova, parent of Ethan: grandparent
    Nova: woman
    So grandmother.
    """
    families = [
        (m[1], m[2], re.split(r", | and ", m[3]) if m[3] else []) for m in _COUPLE.finditer(entry["question"])
    ]
    one, other = (_person(families, entry["metadata"][key]) for key in ("person1", "person2"))
    link, kind = _link(one, other)
    word, named = entry["answer"], other if kind == "parent-in-law" else one
    lines = [f"{one.name} to {other.name}", one.line(), other.line(), f"{link}: {kind}"]
    lines += [f"{named.name}: {_SEXES[_SEX_OF[word]]}", f"So {word}."]
    return Solved("\n".join(lines), word)


def _link(one: _Person, other: _Person) -> tuple[str, str]:
    """How the two are linked, and what kind of relative the first is to the second; with in-laws, the second to
    the first."""
    a, b = one.name, other.name
    if b in one.children:
        return f"{b}: child of {a}", "parent"
    if b in one.parents:
        return f"{b}: parent of {a}", "child"
    if b in one.spouse:
        return f"{b}: spouse of {a}", "spouse"
    if one.parents and one.parents == other.parents:
        return f"{' '.join(one.parents)}: parents of {a}, parents of {b}", "sibling"
    for name in one.children:
        if name in other.parents:
            return f"{name}: child of {a}, parent of {b}", "grandparent"
    return f"{one.spouse[0]}: spouse of {a}, child of {b}", "parent-in-law"


def _person(families: Sequence[_Family], name: str) -> _Person:
    parents: tuple[str, ...] = ()
    spouse: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    for husband, wife, theirs in families:
        if name in theirs:
            parents = (husband, wife)
        if name in (husband, wife):
            spouse, children = (wife if name == husband else husband,), tuple(theirs)
    return _Person(name, parents, spouse, children)


def _listed(names: Sequence[str]) -> str:
    return " ".join(names) or "none"
