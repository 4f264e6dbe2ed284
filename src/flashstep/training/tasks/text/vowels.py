"""Counting the vowels (a, e, i, o, u) or the consonants of a word.

Vowels:
 banana: b1 a2 #1 n3 a4 #2 n5 a6 #3
So 3 vowels.
"""

import random

from flashstep.training.tasks.answers import last_count
from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.spelling import named
from flashstep.training.tasks.text.letter_texts import is_asked_about, word_in_front, word_in_question
from flashstep.training.tasks.trace_steps import Solution
from flashstep.training.tasks.wording import dress
from flashstep.training.tasks.words import sample_word

WORDINGS = ("vowels", "consonants")
_VOWELS = frozenset("aeiou")


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for the number of vowels, less often of consonants. No word has a y, which may be either."""
    kind, word = rng.choices(WORDINGS, (7, 3))[0], "y"
    while "y" in word:
        word = sample_word(rng, split)
    question = wordings(kind, split).choose(rng).format(w=word_in_question(rng, word))
    return solve(word, kind).example("vowels", dress(rng, split, question), word)


def verify(example: Example, answer_text: str) -> bool:
    """True when the last number of the answer, in digits or words, is the count."""
    return last_count(answer_text) == example.key


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when the word is the question's and every vowel (or consonant) is marked."""
    heading, letters, *_ = [*reasoning.split("\n"), ""]
    kind, word = heading.rstrip(":").lower(), word_in_front(letters)
    if kind not in WORDINGS or not is_asked_about(question, word):
        return False
    return solve(word, kind).is_reached_by(reasoning, answer_text, verify)


def solve(word: str, kind: str) -> Solution:
    """The number of vowels or consonants of `word`; `kind` is one of WORDINGS."""
    line, count = "", 0
    for index, letter in enumerate(word, 1):
        line += f" {letter}{index}"
        if (letter in _VOWELS) == (kind == "vowels"):
            count += 1
            line += f" #{count}"
    told = f"{count} {kind if count != 1 else kind[:-1]}"
    return Solution(f"{kind.capitalize()}:\n{named(word, line)}\nSo {told}.", f"It has {told}.", str(count))
