"""At which places of a word a letter stands: number the letters, repeat the number behind each match.

Places of s:
 missing: m1 i2 s3 !3 s4 !4 i5 n6 g7
So 3, 4.
"""

import random
import re
from string import ascii_lowercase

from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.people import enumerated
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.spelling import named
from flashstep.training.tasks.text.letter_texts import (
    is_asked_about,
    letter_name,
    without_second_article,
    word_in_front,
    word_in_question,
)
from flashstep.training.tasks.trace_steps import Solution
from flashstep.training.tasks.wording import dress
from flashstep.training.tasks.words import sample_word


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for the places of a letter that is in the word nine times out of ten."""
    word = sample_word(rng, split)
    letter = rng.choice(word if rng.random() < 0.9 else ascii_lowercase)
    wording = wordings("letter_positions", split).choose(rng)
    question = wording.format(w=word_in_question(rng, word), s=letter_name(rng, letter))
    question = without_second_article(question)
    return solve(word, letter).example("letter_positions", dress(rng, split, question), word)


def verify(example: Example, answer_text: str) -> bool:
    """True when the answer has just the right numbers, or says "not" where there are none."""
    numbers = re.findall(r"\d+", answer_text)
    if example.key == "none":
        return not numbers and re.search(r"\b(not|no|none|never)\b", answer_text.lower()) is not None
    return numbers == example.key.split()


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when word and letter are the question's and every match is marked."""
    heading, letters, *_ = [*reasoning.split("\n"), ""]
    found = re.fullmatch(r"Places of ([a-z]):", heading)
    word = word_in_front(letters)
    if not found or not is_asked_about(question, word) or not is_asked_about(question, found[1]):
        return False
    return solve(word, found[1]).is_reached_by(reasoning, answer_text, verify)


def solve(word: str, letter: str) -> Solution:
    """The places, counted from 1."""
    marked = "".join(f" {c}{i}{f' !{i}' if c == letter else ''}" for i, c in enumerate(word, 1))
    places = [str(i) for i, c in enumerate(word, 1) if c == letter]
    told = ", ".join(places) or "none"
    answer = f"At {enumerated(places)}." if places else "It is not there."
    return Solution(
        f"Places of {letter}:\n{named(word, marked)}\nSo {told}.", answer, " ".join(places) or "none"
    )
