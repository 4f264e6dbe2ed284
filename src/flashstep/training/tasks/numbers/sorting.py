"""Sorting a list: by how many digits a number has, then by the digits from the left.

Sort up: 512 3, 47 2, 803 3, 12 2; 2 2 3 3
2+ 4:47, 1:12; 1 4
1:12
4:47
3+ 5:512, 8:803; 5 8
5:512
8:803
So 12, 47, 512, 803.
"""

import random
import re

from flashstep.training.tasks.base import Example, Split, split_of
from flashstep.training.tasks.key_sort import KeySort
from flashstep.training.tasks.numbers.question import example_of, numbers_in
from flashstep.training.tasks.trace_check import Solution, replays

_TASK = re.compile(r"Sort (up|down): (\d+ \d(?:, \d+ \d)*); [\d ]+")


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for a list of 3 to 6 integers of up to 4 digits in rising or falling order."""
    direction = rng.choice(("up", "up", "down"))
    while True:
        numbers = _sample(rng)
        subject = " ".join(map(str, sorted(numbers)))
        if split_of(subject) == split:
            break
    dense = "," if max(numbers) < 100 else ", "  # "512,470,803" is one number
    listed = rng.choice((", ", ", ", ", ", " ", "; ", dense)).join(map(str, numbers))
    if rng.random() < 0.15:
        head, _, last = listed.rpartition(" ")
        listed = f"{head.rstrip(',;')} and {last}" if head else listed
    solution = solve(task_of(direction, list(map(str, numbers))))
    return example_of(rng, split, "sorting", f"sort_{direction}", subject, solution, l=listed)


def task_of(direction: str, numbers: list[str]) -> str:
    """The first line of a trace: the numbers with their lengths, and these in order."""
    counted = ", ".join(f"{number} {len(number)}" for number in numbers)
    return f"Sort {direction}: {counted}; {_sort(direction).in_order(numbers, 0)}"


def solve(task: str) -> Solution:
    """Work out what `task_of` writes; ValueError for anything else."""
    match = _TASK.fullmatch(task)
    if match is None:
        raise ValueError(f"not a list to sort: {task}")
    numbers = [counted.split()[0] for counted in match[2].split(", ")]
    steps, ordered = _sort(match[1]).group_lines("", numbers)
    key = ", ".join(ordered)
    reasoning = "\n".join([task_of(match[1], numbers), *steps, f"So {key}."])
    return Solution(reasoning, key, key, tuple(numbers))


def _sort(direction: str) -> KeySort:
    return KeySort(lambda number: f"{len(number)}{number}", ":", direction == "down")


def verify(example: Example, answer_text: str) -> bool:
    """True when the last numbers of the answer are the sorted list."""
    spaced = re.sub(",", ", ", answer_text)
    wanted = numbers_in(example.key)
    return numbers_in(spaced)[-len(wanted) :] == wanted


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when `reasoning` sorts the numbers of the question digit by digit, into the answer."""
    return replays(solve, verify, question, reasoning, answer_text)


def _sample(rng: random.Random) -> list[int]:
    num_digits = rng.choices((1, 2, 3, 4), (2, 5, 3, 1))[0]
    count = rng.choices((3, 4, 5, 6), (3, 4, 3, 0 if num_digits == 4 else 1))[0]
    low = 10 ** (num_digits - 1) if rng.random() < 0.5 and num_digits > 1 else 0
    numbers = [rng.randrange(low, 10**num_digits) for _ in range(count)]
    if rng.random() < 0.1:
        numbers[0] = numbers[-1]
    return numbers
