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
    lines, ordered = sort_groups(prefix, items, keys, falls=falls)
    return [f"{' '.join(prefix)}: {gathered}; {' '.join(in_order)}", *lines], ordered


def sort_groups(
    prefix: str, items: Sequence[str], keys: Keys, *, falls: bool = False
) -> tuple[list[str], list[str]]:
    """Like `sort_lines` where the trace has already put the next characters in order."""
    groups: dict[str, list[str]] = {}
    for item in items:
        groups.setdefault(_next(keys(item), len(prefix)), []).append(item)
    lines, ordered = list[str](), list[str]()
    for key in sorted(groups, reverse=falls):
        more, group = sort_lines(prefix + key, groups[key], keys, falls=falls)
        lines += more
        ordered += group
    return lines, ordered


def _next(key: str, place: int) -> str:
    return key[place] if place < len(key) else END
