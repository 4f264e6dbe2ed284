"""The longest or the shortest word of a list: spell each, compare its last number with the best so far.

Longest:
 fig: f1 i2 g3
3 fig
 kiwi: k1 i2 w3 i4
4>3 4 kiwi
 plum: p1 l2 u3 m4
4=4 4 kiwi
So kiwi.
"""

import random

from flashstep.training.tasks.answers import last_word
from flashstep.training.tasks.base import Example, Split, split_of
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.spelling import spelled
from flashstep.training.tasks.text.letter_texts import (
    is_asked_about,
    list_in_question,
    sample_words,
    word_of_line,
)
from flashstep.training.tasks.trace_steps import Solution
from flashstep.training.tasks.wording import dress

WORDINGS = ("longest_word", "shortest_word")
_MOST_LETTERS = 9


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for the longest or shortest of two to five words; there is only one."""
    kind = rng.choice(WORDINGS)
    while True:
        words = sample_words(rng, split, rng.randint(2, 5), _MOST_LETTERS)
        lengths = [len(word) for word in words]
        if lengths.count(_best(kind, lengths)) == 1 and split_of(" ".join(words)) == split:
            break
    question = wordings(kind, split).choose(rng).format(words=list_in_question(rng, words))
    return solve(words, kind).example("extremes", dress(rng, split, question), " ".join(words))


def verify(example: Example, answer_text: str) -> bool:
    """True when the last word of the answer is the right one."""
    return last_word(answer_text) == example.key


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when the words are the question's, spelled and compared rightly."""
    heading, *lines = reasoning.split("\n")
    kind = f"{heading.rstrip(':').lower()}_word"
    words = [word for word in map(word_of_line, lines) if word]
    if kind not in WORDINGS or not words or not all(is_asked_about(question, word) for word in words):
        return False
    return solve(words, kind).is_reached_by(reasoning, answer_text, verify)


def solve(words: list[str], kind: str) -> Solution:
    """The longest (shortest) of `words`; the first one of equals."""
    best = words[0]
    lines = [f"{kind.removesuffix('_word').capitalize()}:", spelled(best), f"{len(best)} {best}"]
    for word in words[1:]:
        length, before = len(word), len(best)
        if length != before and _best(kind, [length, before]) == length:
            best = word
        sign = "<=>"[(length > before) - (length < before) + 1]
        lines += [spelled(word), f"{length}{sign}{before} {len(best)} {best}"]
    return Solution("\n".join([*lines, f"So {best}."]), best, best)


def _best(kind: str, lengths: list[int]) -> int:
    return max(lengths) if kind == "longest_word" else min(lengths)
