"""Writing a word backwards: number its letters, list them from the last to the first, join."""

import random

from flashstep.training.tasks.answers import last_word
from flashstep.training.tasks.base import Example, Split, lettered
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.spelling import spelled
from flashstep.training.tasks.wording import dress, quoted
from flashstep.training.tasks.words import sample_word, written


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for a word in reverse."""
    word = sample_word(rng, split)
    wording = wordings("backwards", split).choose(rng)
    return reverse_example(word, dress(rng, split, wording.format(w=quoted(rng, written(rng, word), 0.65))))


def reverse_example(word: str, question: str) -> Example:
    """Write `word` backwards, as `question` asks."""
    reverse_line = "".join(f" {c}{index}" for index, c in reversed(list(enumerate(word, 1))))
    return Example(
        family="backwards",
        question=question,
        reasoning=f"Reverse:\n{spelled(word)}\nBackwards:\n{reverse_line}",
        answer=lettered(word[::-1]),
        key=word[::-1],
        subject=word,
    )


def verify(example: Example, answer_text: str) -> bool:
    """True when the last word of the answer, written together or letter by letter, is the reversed word."""
    return last_word(answer_text) == example.key
