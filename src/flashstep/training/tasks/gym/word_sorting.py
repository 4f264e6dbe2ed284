"""Words in ASCII order: by the first letter, gathered in stretches, then by further letters where these tie."""

from collections.abc import Sequence
from itertools import groupby

from flashstep.training.tasks.gym.solved import Entry, Solved
from flashstep.training.tasks.spelling import letter_line

_STRETCHES = ("0-9", "A-Z", "_", "a-e", "f-j", "k-o", "p-t", "u-z")
_RARE = ("0-9", "_")  # told only where there is such a word
_NO_LETTER = "-"  # comes before all letters, as the end of a word does


def solve(entry: Entry) -> Solved:
    """Mark each word with its first letter and number, sort the marks, write the words to them:

    Words: s1 so, E2 EXCEPT, s3 say, l4 let
    A-Z: E2, E2
    a-e: -
    f-j: -
    k-o: l4, l4
    p-t: s1 s3, s1 s3
    u-z: -
    s1: s1 o2
    s3: s1 a2 y3
    2: o1 a3, a3 o1
    s: s3 s1
    Up: E2 l4 s3 s1
    So E2 EXCEPT, l4 let, s3 say, s1 so
    """
    words = entry["metadata"]["transformed_words"]
    marked = [_mark(words, index, 0) for index in range(len(words))]
    lines = [f"Words: {_listed(words, range(len(words)))}", *_stretch_lines(marked)]
    ordered: list[int] = []
    by_first = sorted(range(len(words)), key=lambda i: words[i][0])
    for _, tied in groupby(by_first, key=lambda i: words[i][0]):
        group_lines, group = _group(words, list(tied))
        lines += group_lines
        ordered += group
    lines.append(f"Up: {' '.join(marked[index] for index in ordered)}")
    if entry["metadata"]["direction"] == "ascending":
        lines.append(f"So {_listed(words, ordered)}")
    else:
        ordered.reverse()
        lines.append(f"Down: {_listed(words, ordered)}")
    return Solved("\n".join(lines), ", ".join(words[index] for index in ordered))


def _letter(word: str, place: int) -> str:
    return word[place] if place < len(word) else _NO_LETTER


def _mark(words: list[str], index: int, place: int) -> str:
    return f"{_letter(words[index], place)}{index + 1}"


def _listed(words: list[str], indices: Sequence[int]) -> str:
    return ", ".join(f"{_mark(words, index, 0)} {words[index]}" for index in indices)


def _stretch_lines(marked: list[str]) -> list[str]:
    """For each stretch of letters the marks in it, as they come and sorted by the letter."""
    lines = []
    for stretch in _STRETCHES:
        found = [mark for mark in marked if stretch[0] <= mark[0] <= stretch[-1]]
        if found:
            in_order = sorted(found, key=lambda mark: mark[0])
            lines.append(f"{stretch}: {' '.join(found)}, {' '.join(in_order)}")
        elif stretch not in _RARE:
            lines.append(f"{stretch}: -")
    return lines


def _group(words: list[str], tied: list[int]) -> tuple[list[str], list[int]]:
    """The lines that order the words of one first letter, none for a single one, and their order."""
    if len(tied) == 1:
        return [], tied
    spelled = [f"{_mark(words, index, 0)}:{letter_line(words[index])}" for index in tied]
    lines, ordered = _by_letters(words, tied, 1)
    marks = " ".join(_mark(words, index, 0) for index in ordered)
    return [*spelled, *lines, f"{words[tied[0]][0]}: {marks}"], ordered


def _by_letters(words: list[str], tied: list[int], place: int) -> tuple[list[str], list[int]]:
    """Compare the letters at one place, then those of the words that still tie at the next."""
    in_order = sorted(tied, key=lambda i: _letter(words[i], place))
    line = f"{place + 1}: {' '.join(_mark(words, index, place) for index in tied)}"
    if len({_letter(words[index], place) for index in tied}) > 1:
        line += f", {' '.join(_mark(words, index, place) for index in in_order)}"
    lines: list[str] = [line]
    ordered: list[int] = []
    for _, still_tied in groupby(in_order, key=lambda i: _letter(words[i], place)):
        group = list(still_tied)
        if len(group) > 1:
            more, group = _by_letters(words, group, place + 1)
            lines += more
        ordered += group
    return lines, ordered
