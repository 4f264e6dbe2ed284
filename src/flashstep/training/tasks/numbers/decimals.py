"""Adding, subtracting and multiplying decimals: take the point out, calculate, put it back.

3.5+12.25               3.5*1.2
3.50+12.25              1+1=2 decimals
0350+1225               35*12
(columns)               (rows and columns)
So 1575.                So 420.
2 decimals: 15.75       2 decimals: 4.20
So 15.75.               So 4.2.
"""

import random
import re
from decimal import Decimal

from flashstep.training.tasks.arithmetic import column_difference, column_sum
from flashstep.training.tasks.base import Example, Split, pair_subject, split_of
from flashstep.training.tasks.numbers import multiplication
from flashstep.training.tasks.numbers.question import ends_with_number, example_of
from flashstep.training.tasks.trace_check import Solution, replays

MAX_REASONING_CHARS = 210

_KINDS = {"+": "add", "-": "subtract", "*": "multiply"}
_TASK = re.compile(r"(\d+(?:\.\d+)?)([-+*])(\d+(?:\.\d+)?)")

verify = ends_with_number


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for a sum, difference or product of two decimals (one may be whole)."""
    sign = rng.choice("+-*")
    while True:
        a, b = (_sample(rng, sign) for _ in range(2))
        if "." not in a + b or split_of(pair_subject(a, b)) != split:
            continue
        solution = solve(f"{a}{sign}{b}")
        if len(solution.reasoning) <= MAX_REASONING_CHARS:
            return example_of(rng, split, "decimals", _KINDS[sign], pair_subject(a, b), solution, a=a, b=b)


def solve(task: str) -> Solution:
    """Work out "3.5+12.25", "3.5-12.25" or "3.5*1.2"; ValueError for anything else."""
    match = _TASK.fullmatch(task)
    if match is None:
        raise ValueError(f"not two decimals: {task}")
    a, sign, b = match.groups()
    places_a, places_b = num_decimals(a), num_decimals(b)
    if sign == "*":
        places = places_a + places_b
        whole_a, whole_b = int(a.replace(".", "")), int(b.replace(".", ""))
        head = f"{places_a}+{places_b}={places} decimals"
        work, result = multiplication.solve(f"{whole_a}*{whole_b}").reasoning, whole_a * whole_b
    else:
        places = max(places_a, places_b)
        a_padded, b_padded = (f"{Decimal(n):.{places}f}" for n in (a, b))
        whole_a, whole_b = (int(n.replace(".", "")) for n in (a_padded, b_padded))
        head = f"{a_padded}{sign}{b_padded}"
        work = column_sum(whole_a, whole_b) if sign == "+" else column_difference(whole_a, whole_b)
        result = whole_a + whole_b if sign == "+" else whole_a - whole_b
    pointed = with_point(result, places)
    key = without_end_zeros(pointed)
    reasoning = "\n".join([task, head, work, f"{places} decimals: {pointed}", f"So {key}."])
    return Solution(reasoning, f"{a} {sign} {b} = {key}", key, (a, b))


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when `reasoning` calculates with the numbers of the question and leads to the answer."""
    return replays(solve, verify, question, reasoning, answer_text)


def num_decimals(number: str) -> int:
    """Digits behind the point: 2 for "3.50", 0 for "3"."""
    return len(number.partition(".")[2])


def with_point(number: int, places: int) -> str:
    """`number` with its last `places` digits behind the point: 420 and 2 give "4.20"."""
    digits = f"{abs(number):0{places + 1}}"
    pointed = f"{digits[:-places]}.{digits[-places:]}" if places else digits
    return f"-{pointed}" if number < 0 else pointed


def without_end_zeros(number: str) -> str:
    """ "4.2" for "4.20", "36" for "36.00"."""
    return number.rstrip("0").rstrip(".") if "." in number else number


def _sample(rng: random.Random, sign: str) -> str:
    """Up to 3 whole digits and 3 decimals; fewer for a product."""
    whole = rng.randrange(10 ** rng.choices((1, 2, 3), (5, 3, 0) if sign == "*" else (5, 4, 1))[0])
    places = rng.choices((0, 1, 2, 3), (2, 7, 3, 0) if sign == "*" else (1, 6, 5, 1))[0]
    return f"{whole}.{''.join(rng.choices('0123456789', k=places))}" if places else str(whole)
