"""Words in alphabetical order: by the first letter, stretch by stretch of the alphabet, then by further letters
where these are the same.

Order:
p: pear, a: apple, p: plum
a-e: a, a
f-j: -
k-o: -
p-t: p p, p p
u-z: -
a: apple
p+ e: pear, l: plum; e l
e: pear
l: plum
So apple, pear, plum.
"""

import os
import random
import re

from flashstep.training.tasks.base import Example, Split, split_of
from flashstep.training.tasks.key_sort import KeySort
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.text.letter_texts import is_asked_about, list_in_question, sample_words
from flashstep.training.tasks.text.sorted_letters import stretch_lines
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
    """True when the words are the question's and are sorted step by step."""
    listed = [*reasoning.split("\n"), ""][1]
    words = [word for _, _, word in (pair.partition(" ") for pair in listed.split(", "))]
    if not all(word and is_asked_about(question, word) for word in words):
        return False
    return solve(words).is_reached_by(reasoning, answer_text, verify)


def solve(words: list[str]) -> Solution:
    """The words in order."""
    firsts = [word[0] for word in words]
    sort = KeySort(str)
    lines = ["Order:", sort.gathered(words, 0), *stretch_lines(firsts)]
    steps, ordered = sort.group_lines("", words)
    listed = f"{', '.join(ordered)}."
    return Solution("\n".join([*lines, *steps, f"So {listed}"]), listed, " ".join(ordered))


def _shared(words: list[str]) -> int:
    """How many letters at most two of them have in common at their beginnings."""
    in_order = sorted(words)
    pairs = zip(in_order, in_order[1:], strict=False)
    return max(len(os.path.commonprefix(pair)) for pair in pairs)


def _sample(rng: random.Random, split: Split) -> list[str]:
    while True:
        words = sample_words(rng, split, rng.choices((3, 4, 5, 6), (4, 4, 2, 1))[0], _MOST_LETTERS)
        if _shared(words) < _LONGEST_START:
            return words
