"""Greatest common divisor and least common multiple, by Euclid (Elements, book VII).

    gcd(84,300)                             lcm(12,18)
    300 84: 3 4:12 8:252, 300-252: 8 48     18 12: 1, 18-12: 6
    84 48: 1, 84-48: 6 36                   12 6: 2 6:12, 12-12: 0
    48 36: 1, 48-36: 2 12                   gcd 6
    36 12: 3 2:06 1:036, 36-36: 0           12/6=2
    So 12.                                  18*2
                                            *2 8:16 1:036, 36
                                            So 36.

A line divides the larger number by the smaller one: how often, that many times the smaller one (from
the right, see multiplication.py), the rest (see division.py). Ten times or more goes to long division.
"""

import math
import random
import re

from flashstep.training.tasks.base import Example, Split, pair_subject, split_of
from flashstep.training.tasks.numbers.division import difference, division_lines
from flashstep.training.tasks.numbers.multiplication import product_lines, row
from flashstep.training.tasks.numbers.question import ends_with_number, example_of
from flashstep.training.tasks.trace_check import Solution, replays

MAX_REASONING_CHARS = 210

verify = ends_with_number


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for the gcd of two numbers up to 999 or the lcm of two up to 99."""
    name = rng.choice(("gcd", "lcm"))
    while True:
        a, b = _sample_pair(rng, 99 if name == "lcm" or rng.random() < 0.5 else 999)
        if split_of(pair_subject(str(a), str(b))) != split:
            continue
        solution = solve(f"{name}({a},{b})")
        if len(solution.reasoning) <= MAX_REASONING_CHARS:
            return example_of(rng, split, "divisors", name, pair_subject(str(a), str(b)), solution, a=a, b=b)


def solve(task: str) -> Solution:
    """Work out "gcd(84,36)" or "lcm(12,18)"; ValueError for anything else."""
    match = re.fullmatch(r"(gcd|lcm)\((\d+),(\d+)\)", task)
    if match is None or "0" in match.groups():
        raise ValueError(f"neither gcd nor lcm: {task}")
    name, a, b = match[1], int(match[2]), int(match[3])
    low, high = sorted((a, b))
    result, lines = math.gcd(a, b), [task, *_euclid(high, low)]
    if name == "lcm":
        lines += [f"gcd {result}", *_quotient(low, result)]
        times = low // result
        lines += [f"{high}*{times}", *product_lines(high, times)]
        result = high * times
    lines.append(f"So {result}.")
    return Solution("\n".join(lines), f"{name}({a}, {b}) = {result}", str(result), (str(a), str(b)))


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when the divisions of `reasoning` start from the question and lead to the answer."""
    return replays(solve, verify, question, reasoning, answer_text)


def _euclid(high: int, low: int) -> list[str]:
    lines = []
    while low:
        times, rest = divmod(high, low)
        if times > 9:
            lines += [f"{high}/{low}", *division_lines(high, low)]
        else:
            product = row(low, times) + "," if times > 1 else ","
            lines.append(f"{high} {low}: {times}{product} {difference(high, low * times)}")
        high, low = low, rest
    return lines


def _quotient(a: int, b: int) -> list[str]:
    return [f"{a}/{b}={a // b}"] if a // b < 10 else [f"{a}/{b}", *division_lines(a, b)]


def _sample_pair(rng: random.Random, largest: int) -> tuple[int, int]:
    """Two numbers; three times in four they are built to share a factor."""
    if rng.random() < 0.25:
        return rng.randint(1, largest), rng.randint(1, largest)
    common = rng.choice((2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 15, 16, 18, 20, 24, 25, 36, 48))
    return common * rng.randint(1, largest // common), common * rng.randint(1, largest // common)
