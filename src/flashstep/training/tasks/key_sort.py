"""Sorting by one character at a time, as traces do it, for words and for numbers: those that agree so far are
gathered with their next character in front, the characters are put in order, and each goes its own way.

c+ i: city, e: celebrate; e i
e: celebrate
i: city

Whatever is copied has its character and a sign in front of it, where it was and where it goes. "c+" says that
the next letter of those with c is looked at.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

END = "-"  # what a word that has ended shows for its next letter; before all letters
Keys = Callable[[str], str]
"""The characters by which something is sorted, the first one first."""


@dataclass(frozen=True, slots=True)
class KeySort:
    """How traces sort something: `keys` gives an item's characters, `sign` stands between character and item."""

    keys: Keys
    sign: str = ": "
    falls: bool = False

    def gathered(self, items: Sequence[str], place: int) -> str:
        """The items with the character at `place` of each in front: "i: city, e: celebrate"."""
        return ", ".join(self._labelled(item, place) for item in items)

    def in_order(self, items: Sequence[str], place: int) -> str:
        """The characters at `place`, sorted."""
        return " ".join(sorted((_next(self.keys(item), place) for item in items), reverse=self.falls))

    def lines(self, prefix: str, items: Sequence[str]) -> tuple[list[str], list[str]]:
        """The lines that sort `items`, whose keys all begin with `prefix`, and the items in order."""
        place = len(prefix)
        if len(set(items)) == 1:
            return [self._labelled(item, place - 1) for item in items], list(items)
        heading = f"{' '.join(prefix)}+ {self.gathered(items, place)}; {self.in_order(items, place)}"
        lines, ordered = self.group_lines(prefix, items)
        return [heading, *lines], ordered

    def group_lines(self, prefix: str, items: Sequence[str]) -> tuple[list[str], list[str]]:
        """Like `lines` where the trace has already put the next characters in order."""
        groups: dict[str, list[str]] = {}
        for item in items:
            groups.setdefault(_next(self.keys(item), len(prefix)), []).append(item)
        lines, ordered = list[str](), list[str]()
        for key in sorted(groups, reverse=self.falls):
            more, group = self.lines(prefix + key, groups[key])
            lines += more
            ordered += group
        return lines, ordered

    def _labelled(self, item: str, place: int) -> str:
        return f"{_next(self.keys(item), place)}{self.sign}{item}"


def _next(key: str, place: int) -> str:
    return key[place] if place < len(key) else END
