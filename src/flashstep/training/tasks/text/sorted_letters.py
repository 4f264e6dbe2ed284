"""The letters of a word in alphabetical order: gather each stretch of the alphabet, then sort it.

Sort:
 banana: b1 a2 n3 a4 n5 a6
a-e: b a a a, a a a b
f-j: -
k-o: n n, n n
p-t: -
u-z: -
 a a a b n n
"""

import random
from collections.abc import Sequence

from flashstep.training.tasks.answers import last_word
from flashstep.training.tasks.base import Example, Split, lettered
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.spelling import spelled
from flashstep.training.tasks.text.letter_texts import is_asked_about, spaced, word_in_question, word_of_line
from flashstep.training.tasks.trace_steps import Solution
from flashstep.training.tasks.wording import dress
from flashstep.training.tasks.words import sample_word

STRETCHES = (("a", "e"), ("f", "j"), ("k", "o"), ("p", "t"), ("u", "z"))


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for the sorted letters of a word."""
    word = sample_word(rng, split)
    question = wordings("sorted_letters", split).choose(rng).format(w=word_in_question(rng, word))
    return solve(word).example("sorted_letters", dress(rng, split, question), word)


def verify(example: Example, answer_text: str) -> bool:
    """True when the answer ends in the sorted letters, written together or apart."""
    return last_word(answer_text) == example.key


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when the word is the question's and every stretch is gathered and sorted."""
    word = word_of_line([*reasoning.split("\n"), ""][1])
    if word is None or not is_asked_about(question, word):
        return False
    return solve(word).is_reached_by(reasoning, answer_text, verify)


def solve(word: str) -> Solution:
    """The letters in order."""
    result = "".join(sorted(word))
    lines = ["Sort:", spelled(word), *stretch_lines(word), spaced(result)]
    return Solution("\n".join(lines), lettered(result), result)


def stretch_lines(letters: Sequence[str]) -> list[str]:
    """Of each stretch of the alphabet: the letters in it, as they come and sorted."""
    return [f"{'-'.join(stretch)}: {_told(_part_of(letters, stretch))}" for stretch in STRETCHES]


def _part_of(letters: Sequence[str], stretch: tuple[str, str]) -> list[str]:
    """Those of `letters` that lie in a stretch of the alphabet, as they come."""
    return [letter for letter in letters if stretch[0] <= letter <= stretch[1]]


def _told(part: Sequence[str]) -> str:
    """Some letters as they come and sorted: "b a a, a a b"; "-" for none."""
    return f"{' '.join(part)}, {' '.join(sorted(part))}" if part else "-"
