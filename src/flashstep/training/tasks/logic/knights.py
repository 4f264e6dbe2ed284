"""Who tells the truth: try every way in turn and stop at the first in which everybody speaks as they must.

    1 Ann 2 Bob
    K K: 1 F, no
    K N: 1 T, 2 T, no
    N K: 1 F, 2 T, ok
    So Ann is a knave and Bob is a knight.

K is a knight, N a knave. Each statement is judged (T, F) as if the tried kinds were true; a knight's must be
true, a knave's false. A way ends with "no" at the first who does not fit. Two joined statements are judged
one by one: "T and F: F".
"""

import itertools
import random
import re
from dataclasses import dataclass

from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.people import NAMES, enumerated, sample_names
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.trace_steps import Solution, sample_in_split
from flashstep.training.tasks.wording import dress

_KINDS = ("knight", "knave")
_SIGNS = {"knight": "K", "knave": "N"}
_SPEECH = re.compile(r'\b(\w+) says:? "([^"]*)\."', re.IGNORECASE)
_JOINT = re.compile(r" (and|or) (?=\w+ (?:is|am) a )")
_VERDICT = re.compile(r"\b(\w+)(?: is|:|,)? (?:a |the )?(knight|knave)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Problem:
    """`speeches` are (speaker, statement); the statement says "I" for the speaker."""

    speeches: tuple[tuple[str, str], ...]

    @property
    def names(self) -> list[str]:
        """The speakers, everyone once."""
        return [name for name, _ in self.speeches]

    @property
    def subject(self) -> str:
        """What decides the split."""
        return " ".join(f'{name}: "{speech}"' for name, speech in self.speeches)


def generate(rng: random.Random, split: Split) -> Example:
    """Ask who of two or three people is a knight and who a knave; exactly one way fits."""
    problem = sample_in_split(rng, split, _sample, lambda p: p.subject)
    statements = " ".join(f'{name} says: "{speech}."' for name, speech in problem.speeches)
    wording = wordings("knights", split).choose(rng)
    question = dress(rng, split, wording.format(statements=statements, names=enumerated(problem.names)))
    return solve(_read(question)).example("knights", question, problem.subject)


def verify(example: Example, answer_text: str) -> bool:
    """True when the answer says of everyone, and of nobody else, what they are."""
    said = {(name.lower(), kind.lower()) for name, kind in _VERDICT.findall(answer_text)}
    known = {name.lower() for name in NAMES}
    return {pair for pair in said if pair[0] in known} == set(_VERDICT.findall(example.key.lower()))


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when the ways are tried in order and judged rightly, by the statements of the question."""
    problem = _read(question)
    return bool(problem.speeches) and solve(problem).is_reached_by(reasoning, answer_text, verify)


def solve(problem: Problem) -> Solution:
    """The first way that fits; the answer is "nobody knows" when none does."""
    lines = [" ".join(f"{i} {name}" for i, name in enumerate(problem.names, 1))]
    told = "nobody knows"
    for kinds in itertools.product(_KINDS, repeat=len(problem.names)):
        steps, fits = _trial(problem, dict(zip(problem.names, kinds, strict=True)))
        tried = " ".join(_SIGNS[kind] for kind in kinds)
        lines.append(f"{tried}: {', '.join(steps)}, {'ok' if fits else 'no'}")
        if fits:
            told = enumerated([f"{n} is a {k}" for n, k in zip(problem.names, kinds, strict=True)])
            break
    return Solution("\n".join([*lines, f"So {told}."]), f"{told}.", told)


def _trial(problem: Problem, kinds: dict[str, str]) -> tuple[list[str], bool]:
    steps = []
    for index, (speaker, speech) in enumerate(problem.speeches, 1):
        told, is_true = _judged(speaker, speech, kinds)
        steps.append(f"{index} {told}")
        if is_true != (kinds[speaker] == "knight"):
            return steps, False
    return steps, True


def _judged(speaker: str, speech: str, kinds: dict[str, str]) -> tuple[str, bool]:
    """The steps and the truth of a statement."""
    left, *rest = _JOINT.split(speech)
    truth = _clause_is_true(speaker, left, kinds)
    if not rest:
        return _said(truth), truth
    other = _clause_is_true(speaker, rest[1], kinds)
    both = (truth and other) if rest[0] == "and" else (truth or other)
    return f"{_said(truth)} {rest[0]} {_said(other)}: {_said(both)}", both


def _clause_is_true(speaker: str, clause: str, kinds: dict[str, str]) -> bool:
    """The truth of "Ann is a knave", "I am a knight", "Ann and I are of [the same|different] kind(s)"."""
    words = [speaker if word.lower() == "i" else word for word in clause.split()]
    if " are of " not in clause:
        return kinds.get(words[0]) == words[-1].lower()
    return (kinds.get(words[0]) == kinds.get(words[2])) == ("same" in words)


def _said(truth: bool) -> str:
    return "T" if truth else "F"


def _read(question: str) -> Problem:
    return Problem(tuple((m[1], m[2]) for m in _SPEECH.finditer(question)))


def _sample(rng: random.Random) -> Problem:
    while True:
        names = sample_names(rng, 2 if rng.random() < 0.6 else 3)
        problem = Problem(tuple((name, _speech(rng, name, names)) for name in names))
        ways = itertools.product(_KINDS, repeat=len(names))
        if sum(_trial(problem, dict(zip(names, kinds, strict=True)))[1] for kinds in ways) == 1:
            return problem


def _speech(rng: random.Random, speaker: str, names: list[str]) -> str:
    others = [name for name in names if name != speaker]
    draw, other = rng.random(), rng.choice(others)
    if draw < 0.45:
        return f"{other} is a {rng.choice(_KINDS)}"
    if draw < 0.60:
        return f"{other} and I are of {rng.choice(('the same kind', 'different kinds'))}"
    second = f"I am a {rng.choice(_KINDS)}"
    if len(others) == 2 and rng.random() < 0.6:
        second = f"{next(n for n in others if n != other)} is a {rng.choice(_KINDS)}"
    return f"{other} is a {rng.choice(_KINDS)} {rng.choice(('and', 'or'))} {second}"
