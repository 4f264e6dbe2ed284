"""How many letters a word has: number them.

Length:
 cat: c1 a2 t3
So 3 letters.
"""

import random

from flashstep.training.tasks.answers import last_count
from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.spelling import spelled
from flashstep.training.tasks.text.letter_texts import is_asked_about, word_in_question, word_of_line
from flashstep.training.tasks.trace_steps import Solution
from flashstep.training.tasks.wording import dress
from flashstep.training.tasks.words import sample_word


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for the length of a word."""
    word = sample_word(rng, split)
    question = wordings("word_length", split).choose(rng).format(w=word_in_question(rng, word))
    return solve(word).example("word_length", dress(rng, split, question), word)


def verify(example: Example, answer_text: str) -> bool:
    """True when the last number of the answer, in digits or words, is the length."""
    return last_count(answer_text) == example.key


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when the word is the question's and its letters are numbered."""
    word = word_of_line([*reasoning.split("\n"), ""][1])
    if word is None or not is_asked_about(question, word):
        return False
    return solve(word).is_reached_by(reasoning, answer_text, verify)


def solve(word: str) -> Solution:
    """The number of letters."""
    reasoning = f"Length:\n{spelled(word)}\nSo {len(word)} letters."
    return Solution(reasoning, f"It has {len(word)} letters.", str(len(word)))
