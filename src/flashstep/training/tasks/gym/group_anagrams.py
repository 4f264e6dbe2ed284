"""Words with the same letters, which stand next to each other in the list: each is checked against its group's first."""

import json

from flashstep.training.tasks.gym.solved import Entry, Solved


def solve(entry: Entry) -> Solved:
    """Spell word after word, a letter that comes again with its number; the first letter that the first word of
    the group lacks is followed by "new", and the word begins a group:

    tall: t a l l2
    tee: t e new e2
    eet: e e2 t
    Groups: tall, tee eet

    The task lists its groups one after the other.
    """
    words = entry["metadata"]["words"]
    groups: list[list[str]] = []
    lines = []
    for word in words:
        line, is_new = _compared(word, groups[-1][0] if groups else "")
        lines.append(f"{word}:{line}")
        if is_new:
            groups.append([])
        groups[-1].append(word)
    lines.append(f"Groups: {', '.join(' '.join(group) for group in groups)}")
    return Solved("\n".join(lines), json.dumps(groups))


def _compared(word: str, first: str) -> tuple[str, bool]:
    """The spelled word and whether it is no anagram of `first`; a shorter one with no other letter ends in "new"."""
    there, line, is_new = _occurrences(first), "", not first
    for item in _occurrences(word):
        line += f" {item}"
        if item not in there and not is_new:
            line, is_new = f"{line} new", True
    if not is_new and len(word) < len(first):
        line, is_new = f"{line} new", True
    return line, is_new


def _occurrences(word: str) -> list[str]:
    """ "t", "e", "e2" for "tee"."""
    counts = [word[: place + 1].count(c) for place, c in enumerate(word)]
    return [c if count == 1 else f"{c}{count}" for c, count in zip(word, counts, strict=True)]
