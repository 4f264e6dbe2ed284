"""Sorting by one character at a time, as traces do it, for words and for numbers: those that agree so far are
gathered with their next character in front, the characters are put in order, and each goes its own way.

c: i city, e celebrate; e i
e celebrate
i city

Whatever is copied has its character in front of it, where it was and where it goes.
"""

from collections.abc import Callable, Sequence

END = "-"  # what a word that has ended shows for its next letter; before all letters
Keys = Callable[[str], str]
"""The characters by which something is sorted, the first one first."""


def sort_lines(
    prefix: str, items: Sequence[str], keys: Keys, *, falls: bool = False
) -> tuple[list[str], list[str]]:
    """The lines that sort `items`, whose keys all begin with `prefix`, and the items in order."""
    if len(set(items)) == 1:
        return [f"{prefix[-1]} {item}" for item in items], list(items)
    nexts = [_next(keys(item), len(prefix)) for item in items]
    in_order = sorted(nexts, reverse=falls)
    gathered = ", ".join(f"{key} {item}" for key, item in zip(nexts, items, strict=True))
    lines, ordered = [f"{' '.join(prefix)}: {gathered}; {' '.join(in_order)}"], list[str]()
    for key in dict.fromkeys(in_order):
        alike = [item for item, own in zip(items, nexts, strict=True) if own == key]
        more, group = sort_lines(prefix + key, alike, keys, falls=falls)
        lines += more
        ordered += group
    return lines, ordered


def _next(key: str, place: int) -> str:
    return key[place] if place < len(key) else END
