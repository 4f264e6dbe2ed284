"""Binary, octal and hexadecimal to decimal and back.

    200 to base 16                  6 to base 2      1011 base 2    53 base 8    A3F base 16
    200/16 2:0 20:1 40:2, 12r8: 8   6/2, 3r0: 0      1              5            10 3 15
    12/16 1:0 12:0, 0r12: C8        3/2, 1r1: 10     1*2+0=2        5*8+3 5:43   10*256=2560
    So C8.                          1/2, 0r1: 110    2*2+1=5        So 43.       3*16=48
                                    So 110.          5*2+1=11                    2560+0048+0015
                                                     So 11.                      (columns)
                                                                                 So 2623.

Away from decimal: divide, write the rest before the digits so far. Halves are written at once (a digit
of a half depends on two digits), other quotients digit by digit. To decimal: times the base plus the
next digit; hexadecimal goes by place values instead.
"""

import random
import re

from flashstep.training.tasks.arithmetic import column_sum
from flashstep.training.tasks.base import Example, Split, lettered, split_of
from flashstep.training.tasks.numbers.multiplication import row
from flashstep.training.tasks.numbers.question import ends_with_number, example_of
from flashstep.training.tasks.trace_check import Solution, replays

_DIGITS = "0123456789ABCDEF"
_NAMES = {2: ("binary",), 8: ("octal",), 16: ("hexadecimal", "hexadecimal", "hex")}
_LARGEST = {2: 511, 8: 4095, 16: 4095}
_PREFIXES = {2: "0b", 8: "0o", 16: "0x"}

verify_from = ends_with_number


def generate_to(rng: random.Random, split: Split) -> Example:
    """Ask for a decimal number in binary (up to 511), octal or hexadecimal (up to 4095)."""
    n, base = _sample(rng, split, "to base")
    solution = solve_to(f"{n} to base {base}")
    return example_of(
        rng, split, "to_base", "to_base", f"{n} to base {base}", solution, **_slots(rng, str(n), base)
    )


def generate_from(rng: random.Random, split: Split) -> Example:
    """Ask for the decimal value of a binary, octal or hexadecimal number."""
    n, base = _sample(rng, split, "from base")
    digits = written_in(n, base)
    solution = solve_from(f"{digits} base {base}")
    typed = _PREFIXES[base] + digits if rng.random() < 0.15 else digits
    slots = _slots(rng, typed.lower() if rng.random() < 0.2 else typed, base)
    return example_of(rng, split, "from_base", "from_base", f"{n} from base {base}", solution, **slots)


def solve_to(task: str) -> Solution:
    """Work out "200 to base 16"; ValueError for anything else."""
    match = re.fullmatch(r"(\d{1,6}) to base (2|8|16)", task)
    if match is None:
        raise ValueError(f"not to another base: {task}")
    left, base = int(match[1]), int(match[2])
    lines, done = [task], ""
    while left or not done:
        quotient, rest = divmod(left, base)
        done = f"{_DIGITS[rest]}{done}"
        lines.append(f"{left}/{base}{_steps(left, base)}, {quotient}r{rest}: {lettered(done)}")
        left = quotient
    reasoning = "\n".join([*lines, f"So {lettered(done)}."])
    return Solution(reasoning, f"{match[1]} in base {base} is {lettered(done)}", done, (match[1],))


def solve_from(task: str) -> Solution:
    """Work out "A3F base 16" (letters are capitals); ValueError for anything else."""
    match = re.fullmatch(r"([0-9A-F]{1,10}) base (2|8|16)", task)
    if match is None:
        raise ValueError(f"not from another base: {task}")
    digits, base = match[1], int(match[2])
    value = int(digits, base)  # ValueError for a digit that the base lacks
    if base == 16 and len(digits) > 3:
        raise ValueError(f"too large: {task}")
    spelt = lettered(digits)
    work = _by_places(digits) if base == 16 else _by_steps(digits, base)
    reasoning = "\n".join([f"{spelt} base {base}", *work, f"So {value}."])
    return Solution(reasoning, f"{spelt} in base {base} is {value}", str(value), (digits,))


def verify_to(example: Example, answer_text: str) -> bool:
    """True when the last number written in digits of the bases is the key, a prefix like 0x aside."""
    words = re.findall(r"\b(?:0[box])?([0-9A-F]*\d[0-9A-F]*|[A-F]+)\b", answer_text, re.IGNORECASE)
    return [word.upper().lstrip("0") or "0" for word in words[-1:]] == [example.key]


def check_trace_to(question: str, reasoning: str, answer_text: str) -> bool:
    """True when the divisions of `reasoning` convert the number of the question into the answer."""
    return replays(solve_to, verify_to, question, reasoning, answer_text)


def check_trace_from(question: str, reasoning: str, answer_text: str) -> bool:
    """True when `reasoning` builds the answer from the digits of the question."""
    return replays(solve_from, verify_from, question, reasoning, answer_text)


def written_in(n: int, base: int) -> str:
    """The digits of n >= 0 in a base up to 16, capitals for 10 to 15."""
    head = written_in(n // base, base) if n >= base else ""
    return head + _DIGITS[n % base]


def _steps(n: int, base: int) -> str:
    """The quotient n // base digit by digit: each number so far and what goes into it."""
    if base == 2:
        return ""
    steps, rest = "", 0
    for c in str(n):
        number = 10 * rest + int(c)
        digit, rest = divmod(number, base)
        steps += f" {number}:{digit}"
    return steps


def _by_steps(digits: str, base: int) -> list[str]:
    value, lines = int(digits[0]), [digits[0]]
    for c in digits[1:]:
        step = f"{value}*{base}+{c}"
        lines.append(step + (row(value, base, int(c)) if base == 8 else f"={value * base + int(c)}"))
        value = value * base + int(c)
    return lines


def _by_places(digits: str) -> list[str]:
    values = [_DIGITS.index(c) for c in digits]
    lines, terms = [" ".join(map(str, values))], []
    for value, place in zip(reversed(values), (1, 16, 256), strict=False):
        terms.insert(0, value * place)
        if place > 1:
            lines.insert(1, f"{value}*{place}={value * place}")
    return lines + (column_sum(*terms).split("\n")[:-1] if len(terms) > 1 else [])


def _sample(rng: random.Random, split: Split, way: str) -> tuple[int, int]:
    while True:
        base = rng.choice((2, 2, 8, 16))
        n = rng.randint(0, rng.choice((15, 127, _LARGEST[base])))
        if split_of(f"{n} {way} {base}") == split:
            return n, base


def _slots(rng: random.Random, number: str, base: int) -> dict[str, object]:
    return {"n": number, "b": base, "name": rng.choice(_NAMES[base])}
