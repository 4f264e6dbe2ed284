"""The letter at a place of a word, from the front or from the end.

Letter 3:                       From the end 2:
 apple: a1 p2 p3 ! l4 e5         apple: a1 p2 p3 l4 e5
So p.                           Back:
                                 e1 l2
                                So l.
"""

import random
import re
from dataclasses import dataclass

from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.spelling import letter_line, named, spelled
from flashstep.training.tasks.text.letter_texts import is_asked_about, ordinal, word_in_question, word_of_line
from flashstep.training.tasks.trace_steps import Solution
from flashstep.training.tasks.wording import dress
from flashstep.training.tasks.words import sample_word

WORDINGS = ("letter_at", "letter_from_end", "first_letter", "last_letter")
_HEADING = re.compile(r"(Letter|From the end) (\d+):")


@dataclass(frozen=True, slots=True)
class Problem:
    """The letter number `place`, counted from 1, of `word`."""

    word: str
    place: int
    is_from_end: bool


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for one letter; the first and the last have their own wordings."""
    word, kind = sample_word(rng, split), rng.choices(WORDINGS, (6, 3, 2, 2))[0]
    is_from_end = kind in ("letter_from_end", "last_letter")
    place = rng.randint(2, min(4, len(word))) if is_from_end else rng.randint(1, len(word))
    if kind in ("first_letter", "last_letter"):
        place = 1
    text = wordings(kind, split).choose(rng)
    question = text.format(w=word_in_question(rng, word), k=ordinal(rng, place), n=place)
    return solve(Problem(word, place, is_from_end)).example("nth_letter", dress(rng, split, question), word)


def verify(example: Example, answer_text: str) -> bool:
    """True when the last lone letter of the answer is the right one."""
    return re.findall(r"\b[a-z]\b", answer_text.lower())[-1:] == [example.key]


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when the word is the question's and the letters are numbered rightly up to the place."""
    heading, letters, *_ = [*reasoning.split("\n"), ""]
    found, word = _HEADING.fullmatch(heading), word_of_line(letters.replace(" !", "", 1))
    if not found or word is None or not is_asked_about(question, word):
        return False
    place = int(found[2])
    problem = Problem(word, place, found[1] != "Letter")
    return 1 <= place <= len(word) and solve(problem).is_reached_by(reasoning, answer_text, verify)


def solve(problem: Problem) -> Solution:
    """The letter."""
    word, place = problem.word, problem.place
    if problem.is_from_end:
        lines = [f"From the end {place}:", spelled(word), "Back:", letter_line(word[::-1][:place])]
        letter = word[-place]
    else:
        start, whole = letter_line(word[:place]), letter_line(word)
        marked = named(word, f"{start} !{whole[len(start) :]}")
        lines, letter = [f"Letter {place}:", marked], word[place - 1]
    return Solution("\n".join([*lines, f"So {letter}."]), f"It is {letter}.", letter)
