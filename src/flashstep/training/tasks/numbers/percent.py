"""Percentages of whole numbers: multiply, then move the point by two places.

15% of 240
240*15
(rows and columns of multiplication.py)
So 3600.
2 decimals: 36.00
So 36.
"""

import random
import re

from flashstep.training.tasks.base import Example, Split, split_of
from flashstep.training.tasks.numbers import multiplication
from flashstep.training.tasks.numbers.decimals import with_point, without_end_zeros
from flashstep.training.tasks.numbers.question import ends_with_number, example_of, sample_integer
from flashstep.training.tasks.trace_check import Solution, replays

MAX_REASONING_CHARS = 210

verify = ends_with_number


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for a whole percentage (1 to 100, as of discounts and shares) of a number of 1 to 4 digits."""
    while True:
        p = rng.choice((rng.randint(1, 100), 5 * rng.randint(1, 20), 10 * rng.randint(1, 10)))
        n = sample_integer(rng, rng.choices((1, 2, 3, 4), (2, 6, 4, 1))[0], low=1)
        if n < 100 and rng.random() < 0.3:  # round sums, as in shops
            n *= 10
        if split_of(f"{p}% {n}") != split:
            continue
        solution = solve(f"{p}% of {n}")
        if len(solution.reasoning) <= MAX_REASONING_CHARS:
            return example_of(rng, split, "percent", "percent", f"{p}% {n}", solution, p=p, n=n)


def solve(task: str) -> Solution:
    """Work out "15% of 240"; ValueError for anything else."""
    match = re.fullmatch(r"(\d+)% of (\d+)", task)
    if match is None:
        raise ValueError(f"not a percentage: {task}")
    p, n = int(match[1]), int(match[2])
    pointed = with_point(p * n, 2)
    key = without_end_zeros(pointed)
    work = multiplication.solve(f"{n}*{p}").reasoning
    reasoning = f"{task}\n{work}\n2 decimals: {pointed}\nSo {key}."
    return Solution(reasoning, f"{task} = {key}", key, (str(p), str(n)))


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when `reasoning` multiplies the numbers of the question and leads to the answer."""
    return replays(solve, verify, question, reasoning, answer_text)
