"""Powers by repeated multiplication: each line has its exponent, so that none is left out.

7^3
2: 7*7=49
3: 49*7
*7 9:63 4:343, 343
So 343.
"""

import random
import re

from flashstep.training.tasks.base import Example, Split, split_of
from flashstep.training.tasks.numbers.multiplication import product_lines
from flashstep.training.tasks.numbers.question import ends_with_number, example_of
from flashstep.training.tasks.trace_check import Solution, replays

MAX_RESULT = 999_999
MAX_REASONING_CHARS = 210

verify = ends_with_number


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for a power of at most 999,999, squares and cubes mostly; at times as "squared"."""
    while True:
        a, n = _sample(rng)
        subject = f"{a}^{n}"
        if split_of(subject) != split or a**n > MAX_RESULT:
            continue
        solution = solve(subject)
        if len(solution.reasoning) <= MAX_REASONING_CHARS:
            break
    kind = {2: "square", 3: "cube"}.get(n, "power") if rng.random() < 0.5 else "power"
    return example_of(rng, split, "powers", kind, subject, solution, a=a, n=n)


def solve(task: str) -> Solution:
    """Work out "7^3"; ValueError for anything else and for results above 999,999."""
    match = re.fullmatch(r"(\d{1,6})\^(\d{1,2})", task)
    if match is None or int(match[1]) ** int(match[2]) > MAX_RESULT:
        raise ValueError(f"not a power, or too large: {task}")
    a, n = int(match[1]), int(match[2])
    lines, value = [task], a if n else 1
    for exponent in range(2, n + 1):
        if max(a, value) < 10:
            lines.append(f"{exponent}: {value}*{a}={value * a}")
        else:
            lines += [f"{exponent}: {value}*{a}", *product_lines(value, a)]
        value *= a
    # "three squared" names no 2: only the base must stand in the question.
    return Solution("\n".join([*lines, f"So {value}."]), f"{a}^{n} = {value}", str(value), (str(a),))


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when `reasoning` multiplies the base of the question up to the answer."""
    return replays(solve, verify, question, reasoning, answer_text)


def _sample(rng: random.Random) -> tuple[int, int]:
    """Base and exponent: squares up to 99, at times 999, cubes up to 99, small bases further, sometimes 0 and 1."""
    draw = rng.random()
    if draw < 0.3:
        return rng.randint(0, rng.choice((99, 99, 999))), 2
    if draw < 0.45:
        return rng.randint(0, rng.choice((30, 99))), 3
    if draw < 0.55:
        return rng.randint(1, rng.choice((99, 999))), rng.choice((0, 1))
    if draw < 0.65:
        return rng.choice((2, 2, 3)), rng.randint(2, 16)
    return rng.randint(1, rng.choice((12, 30))), rng.randint(2, 7)
