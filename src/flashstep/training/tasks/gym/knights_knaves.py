"""Who tells the truth, under seven pairs of names for the two kinds: K is who always does, N who never does.
Every way is tried in turn until all fit."""

import itertools
from typing import Any

from flashstep.training.tasks.gym.solved import Entry, Solved, TooLong

_Statement = tuple[Any, ...]
_Way = tuple[bool, ...]
_OPPOSITE = {"telling-truth": "lying", "lying": "telling-truth"}
_WORDS = {"and": "and", "or": "or", "->": "then", "<=>": "iff"}


def solve(entry: Entry) -> Solved:
    """The people numbered, the statements in short, then the ways. Of a statement every part is judged, then the
    whole, which has to be T for a K and F for an N; a way ends at the first speaker who does not fit.
    TooLong for nested statements, which the task makes only on demand.

    1 Oliver 2 Zoey, K pioneer N laggard
    1 says 1K or 2K
    2 says 1N
    1K 2K: 1K T or 2K T is T, K ok; 1N F is F, K no
    1K 2N: 1K T or 2K F is T, K ok; 1N F is F, N ok
    So Oliver is a pioneer, Zoey is a laggard.
    """
    data = entry["metadata"]
    names, terms = [str(name) for name in data["names"]], data["knight_knave_terms"]
    speeches = [_simple(statement) for statement in data["statements"]]
    people = " ".join(f"{number} {name}" for number, name in enumerate(names, 1))
    lines = [f"{people}, K {terms['knight']} N {terms['knave']}"]
    lines += [f"{number} says {_said(speech, None)}" for number, speech in enumerate(speeches, 1)]
    for way in itertools.product((True, False), repeat=len(names)):
        line, fits = _trial(speeches, way)
        lines.append(line)
        if fits:
            kinds = [str(terms["a_knight" if is_knight else "a_knave"]) for is_knight in way]
            told = [f"{name} is {kind}" for name, kind in zip(names, kinds, strict=True)]
            lines.append(f"So {', '.join(told)}.")
            return Solved("\n".join(lines), f"{', '.join(told[:-1])}, and {told[-1]}.")
    raise TooLong("nobody knows")


def _trial(speeches: list[_Statement], way: _Way) -> tuple[str, bool]:
    """The line of a way, and whether all fit."""
    steps, fits = [], True
    for speech, is_knight in zip(speeches, way, strict=True):
        truth = _is_true(speech, way)
        fits = truth == is_knight
        steps.append(f"{_said(speech, way)} is {_sign(truth)}, {_kind(is_knight)} {'ok' if fits else 'no'}")
        if not fits:
            break
    tried = " ".join(f"{number}{_kind(is_knight)}" for number, is_knight in enumerate(way, 1))
    return f"{tried}: {'; '.join(steps)}", fits


def _simple(statement: _Statement) -> _Statement:
    """Without "not", which the question says as the other kind; TooLong for parts that have parts."""
    head, *parts = statement
    if head in _OPPOSITE:
        return statement
    if head == "not" and parts[0][0] in _OPPOSITE:
        return (_OPPOSITE[parts[0][0]], parts[0][1])
    simple = tuple(_simple(part) for part in parts)
    if head not in _WORDS or any(part[0] not in _OPPOSITE for part in simple):
        raise TooLong("a nested statement")
    return (head, *simple)


def _said(speech: _Statement, way: _Way | None) -> str:
    """A statement in short, with the truth of each part if a way is tried."""
    if speech[0] in _WORDS:
        text = f" {_WORDS[speech[0]]} ".join(_said(part, way) for part in speech[1:])
        return f"if {text}" if speech[0] == "->" else text
    text = f"{speech[1] + 1}{_kind(speech[0] == 'telling-truth')}"
    return text if way is None else f"{text} {_sign(_is_true(speech, way))}"


def _is_true(speech: _Statement, way: _Way) -> bool:
    head, *parts = speech
    if head in _OPPOSITE:
        return bool(way[parts[0]] == (head == "telling-truth"))
    truths = [_is_true(part, way) for part in parts]
    if head in ("and", "or"):
        return all(truths) if head == "and" else any(truths)
    return truths[0] == truths[1] if head == "<=>" else truths[1] or not truths[0]


def _kind(is_knight: bool) -> str:
    return "K" if is_knight else "N"


def _sign(truth: bool) -> str:
    return "T" if truth else "F"
