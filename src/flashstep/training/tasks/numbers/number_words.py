"""Numbers from 0 to 999,999 in English words, both ways: thousands and the rest apart.

Words 847203                            Number twelve thousand five
847 thousand 203                        twelve: 12
847: eight hundred forty-seven          five: 005
203: two hundred three                  So 12005.
So eight hundred forty-seven thousand two hundred three.
"""

import random
import re

from flashstep.training.tasks.base import Example, Split, split_of
from flashstep.training.tasks.numbers.question import ends_with_number, example_of, sample_integer
from flashstep.training.tasks.trace_check import Solution, replays

MAX_NUMBER = 999_999
_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS = frozenset((*_SMALL, *_TENS[2:], "hundred", "thousand"))

verify_from = ends_with_number


def generate_to(rng: random.Random, split: Split) -> Example:
    """Ask for a number in words."""
    n = _sample(rng, split)
    shown = f"{n:,}" if rng.random() < 0.3 else str(n)
    return example_of(rng, split, "to_words", "to_words", f"Words {n}", solve_to(f"Words {n}"), n=shown)


def generate_from(rng: random.Random, split: Split) -> Example:
    """Ask for a number that is written in words, with or without "and" and hyphens."""
    n = _sample(rng, split)
    solution = solve_from(f"Number {in_words(n)}")
    return example_of(rng, split, "from_words", "from_words", f"Words {n}", solution, w=_typed(rng, n))


def solve_to(task: str) -> Solution:
    """Work out "Words 847203"; ValueError for anything else."""
    match = re.fullmatch(r"Words (\d{1,6})", task)
    if match is None:
        raise ValueError(f"not a number for words: {task}")
    n = int(match[1])
    thousands, rest = divmod(n, 1000)
    lines = [task]
    if thousands:
        lines += [f"{thousands} thousand {rest}", f"{thousands}: {in_words(thousands)}"]
    if rest or not thousands:
        lines.append(f"{rest}: {in_words(rest)}")
    words = in_words(n)
    return Solution("\n".join([*lines, f"So {words}."]), words, words, (match[1],))


def solve_from(task: str) -> Solution:
    """Work out "Number twelve thousand five" (words as `in_words` has them); ValueError for anything else."""
    words = task.removeprefix("Number ")
    n = value_of(words)
    if not task.startswith("Number ") or in_words(n) != words:
        raise ValueError(f"not a number in words: {task}")
    thousands, rest = divmod(n, 1000)
    lines = [task]
    if thousands:
        lines.append(f"{in_words(thousands)}: {thousands}")
    if rest or not thousands:
        lines.append(f"{in_words(rest)}: {rest:03}" if thousands else f"{words}: {rest}")
    return Solution("\n".join([*lines, f"So {n}."]), str(n), str(n), (words,))


def verify_to(example: Example, answer_text: str) -> bool:
    """True when the number words of the answer are those of the key; "and" and hyphens do not count."""
    return _number_words(answer_text) == _number_words(example.key)


def check_trace_to(question: str, reasoning: str, answer_text: str) -> bool:
    """True when `reasoning` names the parts of the number in the question, and so the answer."""
    return replays(solve_to, verify_to, question, reasoning, answer_text)


def check_trace_from(question: str, reasoning: str, answer_text: str) -> bool:
    """True when `reasoning` reads the parts of the words in the question, and so the answer."""
    return replays(solve_from, verify_from, question, reasoning, answer_text)


def in_words(n: int) -> str:
    """0 <= n <= 999,999 in words, hyphens below one hundred, no "and": "two hundred forty-seven"."""
    if n >= 1000:
        rest = f" {in_words(n % 1000)}" if n % 1000 else ""
        return f"{in_words(n // 1000)} thousand{rest}"
    if n >= 100:
        rest = f" {in_words(n % 100)}" if n % 100 else ""
        return f"{_SMALL[n // 100]} hundred{rest}"
    if n < 20:
        return _SMALL[n]
    return _TENS[n // 10] + (f"-{_SMALL[n % 10]}" if n % 10 else "")


def value_of(words: str) -> int:
    """The number that `words` name; ValueError when one of them is no number word."""
    total = group = 0
    for word in re.split(r"[\s-]+", words):
        if word == "thousand":
            total, group = group * 1000, 0
        elif word == "hundred":
            group *= 100
        elif word in _SMALL:
            group += _SMALL.index(word)
        elif word and word in _TENS:
            group += 10 * _TENS.index(word)
        else:
            raise ValueError(f"no number word: {word}")
    return total + group


def _number_words(text: str) -> list[str]:
    return [word for word in re.findall(r"[a-z]+", text.lower()) if word in _WORDS]


def _typed(rng: random.Random, n: int) -> str:
    """The words as people vary them; the given pieces are compared without these signs."""
    words = in_words(n)
    if rng.random() < 0.35:
        words = re.sub(r"hundred (?!thousand)", "hundred and ", words)
    if rng.random() < 0.25:
        words = words.replace("thousand ", "thousand, ")
    return words.replace("-", " ") if rng.random() < 0.2 else words


def _sample(rng: random.Random, split: Split) -> int:
    while True:
        n = sample_integer(rng, rng.choices((1, 2, 3, 4, 5, 6), (1, 3, 5, 5, 4, 5))[0])
        if rng.random() < 0.15:  # round numbers leave parts out
            n -= n % rng.choice((10, 100, 1000))
        if split_of(f"Words {n}") == split:
            return n
