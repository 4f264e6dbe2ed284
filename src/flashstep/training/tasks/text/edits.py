"""Changing a word letter by letter: remove a letter, put another in its place, add one at an end.

Remove n:                      Replace n by t:                Append s:              Prepend s:
 banana: b1 a2 n3 a4 n5 a6      banana: b1 a2 n3 a4 n5 a6      cat: c1 a2 t3          cat: c1 a2 t3
 b1 a2 a4 a6                    b1 a2 t3 a4 t5 a6              c1 a2 t3 s4            s0 c1 a2 t3

The second line keeps the numbers of the first: they say where it has come to.
"""

import random
import re
from dataclasses import dataclass
from string import ascii_lowercase

from flashstep.training.tasks.answers import last_word
from flashstep.training.tasks.base import Example, Split, lettered
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.spelling import spelled
from flashstep.training.tasks.text.letter_texts import (
    is_asked_about,
    letter_name,
    without_second_article,
    word_in_question,
    word_of_line,
)
from flashstep.training.tasks.trace_steps import Solution
from flashstep.training.tasks.wording import dress
from flashstep.training.tasks.words import sample_word

KINDS = ("remove", "replace", "append", "prepend")
WORDINGS = tuple(f"edit_{kind}" for kind in KINDS)
_HEADING = re.compile(r"(Remove|Replace|Append|Prepend) ([a-z])(?: by ([a-z]))?:")


@dataclass(frozen=True, slots=True)
class Problem:
    """What to do with `letter`; `other` takes its place in a replacement and is "" elsewhere."""

    kind: str
    word: str
    letter: str
    other: str = ""


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for a changed word."""
    problem = _sample(rng, split)
    text = wordings(f"edit_{problem.kind}", split).choose(rng)
    names = {"s": letter_name(rng, problem.letter), "r": letter_name(rng, problem.other or "x")}
    question = without_second_article(text.format(w=word_in_question(rng, problem.word), **names))
    question = dress(rng, split, question)
    return solve(problem).example("edits", question, problem.word)


def verify(example: Example, answer_text: str) -> bool:
    """True when the last word of the answer is the changed word."""
    return last_word(answer_text) == example.key


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when word and letters are the question's and the change is right."""
    heading, letters, *_ = [*reasoning.split("\n"), ""]
    found, word = _HEADING.fullmatch(heading), word_of_line(letters)
    if not found or word is None or (found[1] == "Replace") != bool(found[3]):
        return False
    if not all(is_asked_about(question, text) for text in (word, *filter(None, found.group(2, 3)))):
        return False
    problem = Problem(found[1].lower(), word, found[2], found[3] or "")
    return solve(problem).is_reached_by(reasoning, answer_text, verify)


def solve(problem: Problem) -> Solution:
    """The changed word."""
    word, letter, other = problem.word, problem.letter, problem.other
    numbered = [(c, i) for i, c in enumerate(word, 1)]
    changed = {
        "remove": [(c, i) for c, i in numbered if c != letter],
        "replace": [(other if c == letter else c, i) for c, i in numbered],
        "append": [*numbered, (letter, len(word) + 1)],
        "prepend": [(letter, 0), *numbered],
    }[problem.kind]
    result = "".join(c for c, _ in changed)
    heading = f"{problem.kind.capitalize()} {letter}{f' by {other}' if other else ''}:"
    line = "".join(f" {c}{i}" for c, i in changed)
    return Solution(f"{heading}\n{spelled(word)}\n{line}", lettered(result), result)


def _sample(rng: random.Random, split: Split) -> Problem:
    kind = rng.choices(KINDS, (4, 4, 2, 1))[0]
    while True:
        word = sample_word(rng, split)
        letter = rng.choice(word if kind in ("remove", "replace") else ascii_lowercase)
        if kind != "remove" or len(word) - word.count(letter) >= 2:
            break
    other = rng.choice([c for c in ascii_lowercase if c != letter]) if kind == "replace" else ""
    return Problem(kind, word, letter, other)
