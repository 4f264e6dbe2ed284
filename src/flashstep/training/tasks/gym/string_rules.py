"""The rules of string_manipulation, and strings whose letters keep a label while they are changed."""

import re
from dataclasses import dataclass, replace
from string import ascii_uppercase

_KINDS = {"prefix": "start", "starts": "start", "suffix": "end", "ends": "end", "contains": "has"}
_MOST_LETTERS = 15  # what the rule about the length allows

# What the letters of a pattern become; "-" = gone. Behind "+": what the string gets at its other end; "+-"
# takes its last letter.
_CHANGES = {
    "start": {
        "ab": "ca", "bc": "--+aa", "cb": "aa+-", "ca": "bb+c", "aa": "-a", "cc": "--", "bb": "b-", "ac": "zz",
    },
    "end": {"ac": "cb", "bb": "--", "cc": "b-+a", "ba": "ab", "ca": "c-", "aa": "cc"},
    "has": {"abc": "cab", "bca": "---", "acb": "bca"},
    "in": {"ca": "--"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter and its label: a number that is written as a capital letter."""

    text: str
    label: int

    @property
    def name(self) -> str:
        """The label as it is written."""
        return ascii_uppercase[self.label % len(ascii_uppercase)]


Letters = list[Letter]


def text_of(letters: Letters) -> str:
    """The bare string."""
    return "".join(letter.text for letter in letters)


@dataclass(frozen=True, slots=True)
class Rule:
    """The kind is "start", "end", "has", "in" (not at the start), "even" (the number of b's) or "over" (the
    length); the first four have a pattern."""

    kind: str
    pattern: str = ""

    @classmethod
    def read(cls, rule: str) -> "Rule":
        """The rule that a sentence of the question says."""
        if "length" in rule:
            return cls("over")
        if "even number" in rule:
            return cls("even")
        match = re.search(rf"({'|'.join(_KINDS)})[^']*'(\w+)'", rule)
        assert match is not None, rule
        return cls("in" if "not at the start" in rule else _KINDS[match[1]], match[2])

    def place(self, letters: Letters) -> int | None:
        """The index where it applies; None = it does not."""
        text = text_of(letters)
        if self.kind == "even":
            count = text.count("b")
            return len(text) if count and count % 2 == 0 else None
        if self.kind == "over":
            return len(text) // 2 if len(text) > _MOST_LETTERS else None
        if self.kind == "start":
            place = 0 if text.startswith(self.pattern) else -1
        elif self.kind == "end":
            place = len(text) - len(self.pattern) if text.endswith(self.pattern) else -1
        else:
            place = text.find(self.pattern, self.kind == "in")
        return None if place < 0 else place

    def changed(self, letters: Letters, place: int) -> Letters:
        """The string after the rule was applied at `place`."""
        if self.kind == "even":
            return _appended(letters, "ab")
        if self.kind == "over":
            return letters[:place] + letters[place + 1 :]
        change, _, more = _CHANGES[self.kind][self.pattern].partition("+")
        behind = place + len(change)
        pairs = zip(letters[place:behind], change, strict=True)
        new = letters[:place] + [replace(old, text=c) for old, c in pairs if c != "-"]
        if self.kind == "end":
            return [Letter(c, letters[0].label - 1) for c in more] + new
        rest = letters[behind:-1] if more == "-" else letters[behind:]
        return _appended(new + rest, more.strip("-"))


def _appended(letters: Letters, more: str) -> Letters:
    first = letters[-1].label + 1 if letters else 0
    return letters + [Letter(c, first + i) for i, c in enumerate(more)]
