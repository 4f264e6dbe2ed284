"""Products of up to six by three digits: one row for each digit of the shorter number, then a sum.

    371*42
    *2 1:02 7:142 3:0742, 742
    *40 1:04 7:284 3:1484, 14840
    00742+14840
    2+0=2: 2
    (the columns of arithmetic.py)
    So 15582.

A row goes over the digits of the longer number from the right. Behind each digit stands the product
so far with its carry in front, so `7:142` is 7*2+0=14 put before the 2 of `1:02`. The row ends with
its value, zeros of the place appended; digits 0 have no row.
"""

import random
import re

from flashstep.training.tasks.arithmetic import column_sum
from flashstep.training.tasks.base import Example, Split, pair_subject, split_of
from flashstep.training.tasks.numbers.question import ends_with_number, example_of, sample_integer
from flashstep.training.tasks.trace_check import Solution, replays

# Digits of both factors, and how often: 6 x 3 digits take some 340 tokens, most others less than 120.
_SIZES = ((1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1), (2, 2), (3, 2), (4, 2), (3, 3), (5, 2), (6, 2), (4, 3),
          (5, 3), (6, 3))  # fmt: skip
_SHARES = (10, 12, 10, 6, 5, 5, 18, 14, 6, 4, 3, 2, 2, 1, 2)

verify = ends_with_number


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for the product of two non-negative integers of up to 6 and 3 digits, in either order."""
    while True:
        a, b = (sample_integer(rng, n) for n in rng.choices(_SIZES, _SHARES)[0])
        if rng.random() < 0.5:
            a, b = b, a
        subject = pair_subject(str(a), str(b))
        if split_of(subject) == split:
            return example_of(rng, split, "multiplication", "multiply", subject, solve(f"{a}*{b}"), a=a, b=b)


def solve(task: str) -> Solution:
    """Work out "371*42"; ValueError for anything else."""
    match = re.fullmatch(r"(\d+)\*(\d+)", task)
    if match is None:
        raise ValueError(f"not a product: {task}")
    a, b = int(match[1]), int(match[2])
    lines = [f"{a}*{b}", *product_lines(a, b), f"So {a * b}."]
    return Solution("\n".join(lines), f"{a} * {b} = {a * b}", str(a * b), (str(a), str(b)))


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when rows and columns of `reasoning` lead to the answer of this question."""
    return replays(solve, verify, question, reasoning, answer_text)


def product_lines(a: int, b: int) -> list[str]:
    """The rows for each digit of the shorter factor and, from two rows on, the columns that add them."""
    lines = []
    if len(str(a)) < len(str(b)):
        a, b = b, a
        lines.append(f"{a}*{b}")
    values = []
    for zeros, digit in enumerate(reversed(str(b))):
        if digit != "0":
            factor = int(digit) * 10**zeros
            values.append(a * factor)
            lines.append(f"*{factor}{row(a, int(digit))}, {a * factor}")
    if not values:
        lines.append("*0, 0")
    if len(values) > 1:
        lines += column_sum(*values).split("\n")[:-1]
    return lines


def row(a: int, digit: int, carry: int = 0) -> str:
    """a * digit + carry, digit by digit from the right: " 1:04 7:284" for 71 * 4. A carry is below 10."""
    steps, done = "", ""
    for c in reversed(str(a)):
        total = int(c) * digit + carry
        carry = total // 10
        done = f"{total % 10}{done}"
        steps += f" {c}:{carry}{done}"
    return steps
