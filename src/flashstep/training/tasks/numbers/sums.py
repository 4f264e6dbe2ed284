"""Sums and differences of up to six digits: the traces of `arithmetic.py`, and their check."""

import random
import re
from dataclasses import replace

from flashstep.training.tasks import arithmetic
from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.trace_check import Solution, replays

MAX_DIGITS = 6

verify = arithmetic.verify


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for a sum or a difference of two non-negative integers of 1 to 6 digits."""
    return replace(arithmetic.generate(rng, split, MAX_DIGITS), family="sums")


def solve(task: str) -> Solution:
    """Work out "048+175" or "048-175"; ValueError for anything else."""
    match = re.fullmatch(r"(\d+)([+-])(\d+)", task)
    if match is None:
        raise ValueError(f"not a sum: {task}")
    a, sign, b = int(match[1]), match[2], int(match[3])
    result = a + b if sign == "+" else a - b
    reasoning = arithmetic.column_sum(a, b) if sign == "+" else arithmetic.column_difference(a, b)
    return Solution(reasoning, f"{a} {sign} {b} = {result}", str(result), (str(a), str(b)))


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when the columns of `reasoning` add up to the answer of this question."""
    return replays(solve, verify, question, reasoning, answer_text)
