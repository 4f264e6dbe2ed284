"""Long division by a divisor of one or two digits, with its remainder.

    7356/37
    1:37 2:74 3:111 4:148 5:185 6:222 7:259 8:296 9:333
    7|356: 0
    73|56: 1:37 73-37: 6 36, 01
    365|6: 9:333 365-333: 2 32, 019
    326|: 8:296 326-296: 0 30, 0198
    So 198 remainder 30.

A divisor of two digits gets its multiples first. A step names the number so far and the digits still to
come, then the next digit of the quotient with its multiple, the difference (from the right, what is done of it written again with
each digit), and the quotient so far; so the next step has all that it copies in this one.
"""

import random
import re
from decimal import Decimal

from flashstep.training.tasks.base import Example, Split, split_of
from flashstep.training.tasks.numbers.question import example_of, numbers_in, sample_integer
from flashstep.training.tasks.trace_check import Solution, replays

_NAMES_REST = re.compile(r"remain|rest\b|left|modulo|\bmod\b", re.IGNORECASE)
_SIZES = ((1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1), (2, 2), (3, 2), (4, 2), (5, 2))
_SHARES = (4, 16, 18, 12, 8, 6, 4, 14, 8, 4)


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for quotient and remainder (two times in three), or for the remainder alone."""
    asks_remainder = rng.random() < 0.33
    while True:
        a, b = _sample_pair(rng)
        if split_of(f"{a}/{b}") == split:
            break
    kind, sign = ("remainder", " mod ") if asks_remainder else ("divide", "/")
    return example_of(rng, split, "division", kind, f"{a}/{b}", solve(f"{a}{sign}{b}"), a=a, b=b)


def solve(task: str) -> Solution:
    """Work out "7356/37" or "7356 mod 37"; ValueError for anything else."""
    match = re.fullmatch(r"(\d+)(/| mod )(\d+)", task)
    if match is None or not 0 < int(match[3]) < 100:
        raise ValueError(f"not a division: {task}")
    a, b = int(match[1]), int(match[3])
    quotient, remainder = divmod(a, b)
    result = f"{quotient} remainder {remainder}" if remainder else str(quotient)
    lines = [task, *division_lines(a, b), f"So {result}."]
    answer, key = f"{a} / {b} = {result}", f"{quotient} {remainder}"
    if match[2] == " mod ":
        lines[-1], answer, key = f"So {remainder}.", f"{a} mod {b} = {remainder}", str(remainder)
    return Solution("\n".join(lines), answer, key, (str(a), str(b)))


def verify(example: Example, answer_text: str) -> bool:
    """True when the answer ends with quotient and remainder (0 may be left out), or with the
    remainder where only that was asked. A question that does not speak of a rest is answered by the quotient,
    too, and by the decimal number."""
    key, found = [int(part) for part in example.key.split()], numbers_in(answer_text)
    if found[-len(key) :] == key:
        return True
    if len(key) == 1 or _NAMES_REST.search(answer_text) or not found:
        return False
    is_open = example.question != "" and not _NAMES_REST.search(example.question)
    if found[-1] == key[0]:
        return is_open or key[1] == 0
    a, sign, b = example.subject.partition("/")
    return is_open and bool(sign) and found[-1] == Decimal(a) / Decimal(b)


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when the steps of `reasoning` divide what the question gives and lead to the answer."""
    return replays(solve, verify, question, reasoning, answer_text)


def division_lines(a: int, b: int) -> list[str]:
    """The steps of a / b, for any b > 0; a divisor of two digits or more lists its multiples first."""
    lines = [" ".join(f"{k}:{k * b}" for k in range(1, 10))] if b > 9 else []
    number, done, digits = 0, "", str(a)
    for place in range(len(digits)):
        number = 10 * number + int(digits[place])
        digit, rest = divmod(number, b)
        done += str(digit)
        work = f"{digit}:{digit * b} {difference(number, digit * b)}, " if digit else ""
        lines.append(f"{number}|{digits[place + 1 :]}: {work}{done}")
        number = rest
    return lines


def difference(a: int, b: int) -> str:
    """a - b >= 0 from the right, all that is done written again with each digit: "326-296: 0 30"."""
    result = str(a - b)
    suffixes = " ".join(result[-k:] for k in range(1, len(result) + 1))
    return f"{a}-{b}: {suffixes}"


def _sample_pair(rng: random.Random) -> tuple[int, int]:
    """Dividend and divisor; the division comes out even four times in ten."""
    num_digits, num_divisor_digits = rng.choices(_SIZES, _SHARES)[0]
    a = sample_integer(rng, num_digits)
    b = max(1, sample_integer(rng, num_divisor_digits))
    if rng.random() < 0.4:
        a -= a % b
    return a, b
