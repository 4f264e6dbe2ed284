"""Spelling a word: each letter with its index, then the letters separated by commas.

Letters:
 cat: c1 a2 t3

The word stands in front of its letters here and in every other family: which word it is and which letters it
has are two steps, and the letters are those of the word next to them.
"""

import random
import re

from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.wording import dress, quoted
from flashstep.training.tasks.words import sample_word, written


def letter_line(word: str) -> str:
    """The word as numbered letters: " c1 a2 t3" (with the leading space)."""
    return "".join(f" {c}{index}" for index, c in enumerate(word, 1))


def spelled(word: str) -> str:
    """The word and its numbered letters: " cat: c1 a2 t3" (with the leading space)."""
    return named(word, letter_line(word))


def named(word: str, line: str) -> str:
    """A line about the letters of `word` behind it."""
    return f" {word}:{line}"


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for the letters of a word."""
    word = sample_word(rng, split)
    wording = wordings("spelling", split).choose(rng)
    return spell_example(word, dress(rng, split, wording.format(w=quoted(rng, written(rng, word), 0.65))))


def spell_example(word: str, question: str) -> Example:
    """Spell `word`, as `question` asks."""
    letters = ", ".join(word)
    return Example(
        family="spelling",
        question=question,
        reasoning=f"Letters:\n{spelled(word)}",
        answer=letters,
        key=letters,
        subject=word,
    )


def verify(example: Example, answer_text: str) -> bool:
    """True when the longest run of lone letters in the answer is the word, whatever separates them."""
    runs = re.findall(r"(?:\b[a-z]\b[\s,.\-]*)+", answer_text.lower())
    longest = max(runs, key=len, default="")
    return re.findall(r"[a-z]", longest) == example.key.split(", ")
