"""Words in alphabetical order: as many first letters of each as tell them apart, sorted.

Order:
pear: p e
apple: a
plum: p l
a, p e, p l
So apple, pear, plum.
"""

import random
import re

from flashstep.training.tasks.base import Example, Split, split_of
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.text.letter_texts import is_asked_about, list_in_question, sample_words
from flashstep.training.tasks.trace_steps import Solution
from flashstep.training.tasks.wording import dress

_MOST_LETTERS, _LONGEST_START = 9, 4


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for three to six words in order."""
    while True:
        words = _sample(rng, split)
        if split_of(" ".join(words)) == split:
            break
    question = wordings("sorted_words", split).choose(rng).format(words=list_in_question(rng, words))
    return solve(words).example("sorted_words", dress(rng, split, question), " ".join(words))


def verify(example: Example, answer_text: str) -> bool:
    """True when the answer ends in the words in order."""
    wanted = example.key.split()
    return re.findall(r"[a-z]+", re.sub(r"\band\b", " ", answer_text.lower()))[-len(wanted) :] == wanted


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when the words are the question's and their beginnings are sorted."""
    words = re.findall(r"^([a-z]+): ", reasoning, re.MULTILINE)
    if not words or not all(is_asked_about(question, word) for word in words):
        return False
    return solve(words).is_reached_by(reasoning, answer_text, verify)


def solve(words: list[str]) -> Solution:
    """The words in order."""
    starts = {word: _start(word, words) for word in words}
    ordered = sorted(words)
    lines = ["Order:", *(f"{word}: {' '.join(starts[word])}" for word in words)]
    lines += [", ".join(" ".join(starts[word]) for word in ordered), f"So {', '.join(ordered)}."]
    return Solution("\n".join(lines), f"{', '.join(ordered)}.", " ".join(ordered))


def _start(word: str, words: list[str]) -> str:
    """The shortest beginning that no other word shares."""
    others = [other for other in words if other != word]
    lengths = (n for n in range(1, len(word)) if not any(o.startswith(word[:n]) for o in others))
    return word[: next(lengths, len(word))]


def _sample(rng: random.Random, split: Split) -> list[str]:
    while True:
        words = sample_words(rng, split, rng.choices((3, 4, 5, 6), (4, 4, 2, 1))[0], _MOST_LETTERS)
        if max(len(_start(word, words)) for word in words) <= _LONGEST_START:
            return words
