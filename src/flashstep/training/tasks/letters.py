"""Counting a letter in a word: spell the word, number each match, read off the last number.

Reasoning, always in lower case:

    Letter r:
     strawberry: s1 t2 r3 #1 a4 w5 b6 e7 r8 #2 r9 #3 y10
    So r appears 3 times.
"""

import random
import re
from string import ascii_lowercase

from flashstep.training.tasks.base import Example, Split, lettered
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.spelling import named
from flashstep.training.tasks.wording import dress, quoted
from flashstep.training.tasks.words import (
    MAX_LETTERS,
    MAX_LONG_LETTERS,
    sample_long_word,
    sample_word,
    written,
)

LONG_WORDS = f"{MAX_LETTERS + 1}-{MAX_LONG_LETTERS}"  # letters of `generate_long`
_LONG_SHARE = 0.06
_READ_AS_WORDS = "aisu"  # "as", "is", "ss", "us"
NUMBER_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for a letter that is in the word four times out of five, more likely a repeated one."""
    is_long = split == "train" and rng.random() < _LONG_SHARE
    return _asked(rng, split, sample_long_word(rng, split) if is_long else sample_word(rng, split))


def generate_long(rng: random.Random, split: Split) -> Example:
    """The same about an invented word of 13 to 16 letters."""
    return _asked(rng, split, sample_long_word(rng, split))


def _asked(rng: random.Random, split: Split, word: str) -> Example:
    letter = choose_letter(rng, word)
    wording = wordings("letters", split).choose(rng)
    question = wording.format(
        p=_plural(rng, letter), s=letter_noun(rng, letter), w=quoted(rng, written(rng, word), 0.6)
    )
    return count_example(word, letter, dress(rng, split, question))


def count_example(word: str, letter: str, question: str) -> Example:
    """Count `letter` in `word`, as `question` asks."""
    count = word.count(letter)
    return Example(
        family="letters",
        question=question,
        reasoning=f"Letter {letter}:\n{named(word, _marked(word, letter))}\n"
        f"So {letter} appears {count} time{'' if count == 1 else 's'}.",
        answer=count_sentence(word, letter, count),
        key=str(count),
        subject=word,
    )


def count_sentence(word: str, letter: str, count: int) -> str:
    """The answer for one number, right or wrong."""
    said = f"is 1 '{letter}'" if count == 1 else f"are {count} '{letter}'s"
    return f'There {said} in "{lettered(word)}".'


def verify(example: Example, answer_text: str) -> bool:
    """True when the only number in the answer, in digits or words, is the count."""
    text = answer_text.lower().replace(example.subject, " ")
    found = set(re.findall(r"\d+", text))
    found |= {str(n) for n, name in enumerate(NUMBER_WORDS) if re.search(rf"\b{name}\b", text)}
    return found == {example.key}


def choose_letter(rng: random.Random, word: str) -> str:
    """A letter to count: one time in five absent, else more likely a repeated one."""
    absent = sorted(set(ascii_lowercase) - set(word))
    if rng.random() < 0.2:
        return rng.choice(absent)
    letters = sorted(set(word))
    return rng.choices(letters, [word.count(c) ** 2 for c in letters])[0]


def _marked(word: str, letter: str) -> str:
    line, seen = "", 0
    for index, c in enumerate(word, 1):
        line += f" {c}{index}"
        if c == letter:
            seen += 1
            line += f" #{seen}"
    return line


def _cased(rng: random.Random, letter: str) -> str:
    return letter.upper() if rng.random() < 0.15 else letter


def _plural(rng: random.Random, letter: str) -> str:
    forms = ("'{}'s", '"{}"s', "{}'s", "{}s", "letter {}'s", "letters {}", "letter {}", "'{}'", "`{}`s",
             "{}", "‘{}’s", "{}’s", "“{}”s", "letter '{}'", "occurrences of {}", "{} letters")  # fmt: skip
    weights = (6, 5, 6, 4, 2, 2, 2, 2, 1, 2, 1, 2, 1, 1, 1, 1)
    form = rng.choices(forms, weights)[0]
    if form == "{}s" and letter in _READ_AS_WORDS:
        form = "{}'s"
    return form.format(_cased(rng, letter))


def letter_noun(rng: random.Random, letter: str) -> str:
    """The letter as people write it: "the letter 'r'", "R"."""
    article = rng.choice(("the letter ", "the letter ", "letter ", ""))
    return article + quoted(rng, _cased(rng, letter), 0.5)
