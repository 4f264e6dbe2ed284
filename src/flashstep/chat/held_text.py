"""How much of a text's end must be held back because it may become a marker or a stop string.

The answer depends on the text alone, never on how it arrived; that is what makes every cut of a stream
give the same result.
"""

from collections.abc import Iterable


def num_held(text: str, markers: Iterable[str]) -> int:
    """Length of the longest end of `text` that is a proper beginning of one of `markers`.

    >>> num_held("a <thi", ["<think>", "</think>"])
    4
    """
    held = 0
    for marker in markers:
        position = text.find(marker[0], max(len(text) - len(marker) + 1, 0))
        while position >= 0:
            if marker.startswith(text[position:]):
                held = max(held, len(text) - position)
                break
            position = text.find(marker[0], position + 1)
    return held


def find_first(text: str, markers: Iterable[str]) -> tuple[int, str] | None:
    """Where the earliest of `markers` begins in `text`, and which it is; None when there is none."""
    found = [(position, marker) for marker in markers if (position := text.find(marker)) >= 0]
    return min(found, default=None)


def may_become(text: str, markers: Iterable[str]) -> bool:
    """True when `text` is a proper beginning of one of `markers`."""
    return any(len(text) < len(marker) and marker.startswith(text) for marker in markers)
