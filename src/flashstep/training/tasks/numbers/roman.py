"""Roman numerals from 1 to 3999, both ways, place by place.

Roman 1994        Roman MCMXCIV
1000: M           M 1000: 1000
900: CM           CM 900: 1900
90: XC            XC 90: 1990
4: IV             IV 4: 1994
So MCMXCIV.       So 1994.
"""

import random
import re

from flashstep.training.tasks.base import LETTER_BREAK, Example, Split, lettered, split_of
from flashstep.training.tasks.numbers.question import ends_with_number, example_of
from flashstep.training.tasks.trace_check import Solution, replays

MAX_NUMBER = 3999
_ONES = ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX")
_LETTERS = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_SCALES = ("IVX", "XLC", "CDM", "M")  # the letters for 1, 5 and 10 of each place

verify_from = ends_with_number


def generate_to(rng: random.Random, split: Split) -> Example:
    """Ask for a number from 1 to 3999 in Roman numerals."""
    n = _sample(rng, split)
    return example_of(rng, split, "to_roman", "to_roman", f"Roman {n}", solve_to(f"Roman {n}"), n=n)


def generate_from(rng: random.Random, split: Split) -> Example:
    """Ask for the value of a Roman numeral."""
    n = _sample(rng, split)
    numeral = roman(n)
    return example_of(
        rng, split, "from_roman", "from_roman", f"Roman {n}", solve_from(f"Roman {numeral}"), r=numeral
    )


def solve_to(task: str) -> Solution:
    """Work out "Roman 1994"; ValueError for anything else."""
    match = re.fullmatch(r"Roman (\d{1,4})", task)
    if match is None or not 0 < int(match[1]) <= MAX_NUMBER:
        raise ValueError(f"not to Roman numerals: {task}")
    n = int(match[1])
    lines = [f"{value}: {lettered(letters)}" for value, letters in _places(n)]
    numeral = lettered(roman(n))
    return Solution("\n".join([task, *lines, f"So {numeral}."]), f"{n} is {numeral}", roman(n), (str(n),))


def solve_from(task: str) -> Solution:
    """Work out "Roman MCMXCIV"; ValueError for anything else and for unusual numerals (IIII)."""
    match = re.fullmatch(r"Roman ([MDCLXVI]+)", task)
    n = _value(match[1]) if match else 0
    if match is None or not 0 < n <= MAX_NUMBER or roman(n) != match[1]:
        raise ValueError(f"not a Roman numeral: {task}")
    lines, total = [f"Roman {lettered(match[1])}"], 0
    for value, letters in _places(n):
        total += value
        lines.append(f"{lettered(letters)} {value}: {total}")
    reasoning = "\n".join([*lines, f"So {n}."])
    return Solution(reasoning, f"{lettered(match[1])} is {n}", str(n), (match[1],))


def verify_to(example: Example, answer_text: str) -> bool:
    """True when the last Roman numeral of the answer is the key; lower case counts only alone."""
    if answer_text.strip(" .!").upper() == example.key:
        return True
    return re.findall(r"\b[MDCLXVI]+\b", answer_text)[-1:] == [example.key]


def check_trace_to(question: str, reasoning: str, answer_text: str) -> bool:
    """True when `reasoning` writes each place of the number in the question, and so the answer."""
    return replays(solve_to, verify_to, question, reasoning, answer_text)


def check_trace_from(question: str, reasoning: str, answer_text: str) -> bool:
    """True when `reasoning` adds up the places of the numeral in the question to the answer."""
    numeral = reasoning.replace(LETTER_BREAK, "").partition("\n")[0].removeprefix("Roman ")
    whole = rf"(?<![a-z]){re.escape(numeral)}(?![a-z])"  # not the c of "once"
    return bool(re.search(whole, question, re.IGNORECASE)) and replays(
        solve_from, verify_from, question, reasoning, answer_text
    )


def roman(n: int) -> str:
    """The numeral of 1 <= n <= 3999 in the usual subtractive form."""
    return "".join(letters for _, letters in _places(n))


def _value(numeral: str) -> int:
    """The letters added up, each taken off instead where a larger one follows."""
    values = [_LETTERS[c] for c in numeral]
    return sum(-v if v < after else v for v, after in zip(values, [*values[1:], 0], strict=True))


def _places(n: int) -> list[tuple[int, str]]:
    """Value and letters of every digit that is not 0, largest place first."""
    digits = enumerate(reversed(str(n)))
    places = [(int(c) * 10**place, _in_scale(int(c), place)) for place, c in digits if c != "0"]
    return places[::-1]


def _in_scale(digit: int, place: int) -> str:
    return "".join(_SCALES[place]["IVX".index(c)] for c in _ONES[digit])


def _sample(rng: random.Random, split: Split) -> int:
    while True:
        n = rng.randint(1, rng.choice((20, 100, 999, 2100, MAX_NUMBER)))
        if split_of(f"Roman {n}") == split:
            return n
