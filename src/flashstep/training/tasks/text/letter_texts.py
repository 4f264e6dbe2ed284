"""How questions name letters and places, and how traces write a word letter by letter."""

import random
import re

from flashstep.training.tasks.base import Split
from flashstep.training.tasks.spelling import spelled
from flashstep.training.tasks.trace_steps import mentions
from flashstep.training.tasks.wording import quoted
from flashstep.training.tasks.words import common_words, sample_word, written

_ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "eleventh", "twelfth", "thirteenth", "fourteenth",
)  # fmt: skip
_SUFFIXES = {1: "st", 2: "nd", 3: "rd"}
_ODD_SHARE = 0.35
_PLAIN_SHARE = 0.6  # of the words in questions stand without quotation marks


def ordinal(rng: random.Random, place: int) -> str:
    """ "third" or "3rd"; `place` is 1 to 14."""
    if rng.random() < 0.5:
        return _ORDINALS[place - 1]
    return f"{place}{_SUFFIXES.get(place, 'th')}"


def letter_name(rng: random.Random, letter: str) -> str:
    """ "the letter r", "letter 'r'", "r", ..., at times as a capital."""
    shown = letter.upper() if rng.random() < 0.1 else letter
    return rng.choice(("the letter ", "the letter ", "letter ", "")) + quoted(rng, shown, 0.5)


def without_second_article(question: str) -> str:
    """ "every the letter r" is "every letter r": a letter's name brought an article of its own."""
    return re.sub(r"\b(every|each|no|any|all) the (letter)\b", r"\1 \2", question, flags=re.IGNORECASE)


def word_in_question(rng: random.Random, word: str) -> str:
    """The word as typed, often in quotation marks."""
    return quoted(rng, written(rng, word), _PLAIN_SHARE)


def spaced(letters: str) -> str:
    """ " c a t" (with the leading space)."""
    return "".join(f" {letter}" for letter in letters)


def word_in_front(line: str) -> str:
    """What stands in front of the letters of a spelled line, marked or not: " cat: c1 a2 #1 t3" is "cat"."""
    return line.strip().partition(":")[0]


def word_of_line(line: str) -> str | None:
    """The word of a spelled line, " cat: c1 a2 t3" is "cat"; None for anything else."""
    word = word_in_front(line)
    return word if word.isalpha() and line == spelled(word) else None


def is_asked_about(question: str, word: str | None) -> bool:
    """True when `word` stands in the question."""
    return word is not None and mentions(question, [word])


def sample_words(rng: random.Random, split: Split, num: int, most_letters: int) -> list[str]:
    """`num` different words of one split, of at most `most_letters` letters: common ones, in training also
    others, since a model that has the common ones by heart copies no others."""
    common = [w for w in common_words(split) if len(w) <= most_letters]
    words: dict[str, None] = {}
    while len(words) < num:
        is_odd = split == "train" and rng.random() < _ODD_SHARE
        word = sample_word(rng, split) if is_odd else rng.choice(common)
        if len(word) <= most_letters and word != "and":  # which a list has between its words
            words[word] = None
    return list(words)


def list_in_question(rng: random.Random, words: list[str]) -> str:
    """ "a, b and c", "a, b, c" or '"a", "b", "c"'."""
    style = rng.random()
    if style < 0.45:
        return ", ".join(words)
    if style < 0.8:
        return f"{', '.join(words[:-1])} and {words[-1]}"
    return ", ".join(f'"{word}"' for word in words)
