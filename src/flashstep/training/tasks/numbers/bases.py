"""Binary, octal and hexadecimal to decimal and back.

    To base 16: 200                      To base 2: 13      From base 2: 11011    From base 16: A3F
    200/16 20:1:16:4 40:12:32:8, 8       13/2 13:6, 1       110 11: 6             A 3F: 10*256=2560
    12<16, C8                            6/2 6:3, 01        11: 6*4+3 6:27        3 F: 3*16=48
    So C8.                               3/2 3:1, 101       So 27.                F: 15
                                         1<2, 1101                                2560+0048+0015
    To base 8: 525                       So 1101.           From base 8: 742      (columns)
    525/8 52:6:48:4 45:65:40:5, 5                           7 42: 7               So 2623.
    65/8 65:8:64:1, 15                                      4 2: 7*8+4 7:60
    8/8 8:1:8:0, 015                                        2: 60*8+2 0:02 6:482
    1<8, 1015                                               So 482.
    So 1015.

Away from decimal: divide, and write the rest before the digits so far. A step of a division has the number
so far, the quotient so far, the product of its new digit, the rest; the next number is this rest and the next
digit. A half goes without product and rest: the rest is 1 after an odd number.

To decimal: a line takes the next digit and shows what is left of the number, then takes the value so far
times the base plus the digit. Behind the colons stand, from the right, the digits of the value so far
(`multiplication.row`). Three binary digits are taken at once, times 8; the last ones may be two, times 4, or
one, times 2. Hexadecimal goes by place values instead: one digit left, times 16; two left, times 256.
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
    solution = solve_to(f"To base {base}: {n}")
    return example_of(
        rng, split, "to_base", "to_base", f"{n} to base {base}", solution, **_slots(rng, str(n), base)
    )


def generate_from(rng: random.Random, split: Split) -> Example:
    """Ask for the decimal value of a binary, octal or hexadecimal number."""
    n, base = _sample(rng, split, "from base")
    digits = written_in(n, base)
    solution = solve_from(f"From base {base}: {digits}")
    typed = _PREFIXES[base] + digits if rng.random() < 0.15 else digits
    slots = _slots(rng, typed.lower() if rng.random() < 0.2 else typed, base)
    return example_of(rng, split, "from_base", "from_base", f"{n} from base {base}", solution, **slots)


def solve_to(task: str) -> Solution:
    """Work out "To base 16: 200"; ValueError for anything else."""
    match = re.fullmatch(r"To base (2|8|16): (\d{1,6})", task)
    if match is None:
        raise ValueError(f"not to another base: {task}")
    base, left = int(match[1]), int(match[2])
    lines, done = [task], ""
    while left or not done:
        quotient, rest = divmod(left, base)
        done = f"{_DIGITS[rest]}{done}"
        work = f"{left}/{base}{_steps(left, base)}" if quotient else f"{left}<{base}"
        lines.append(f"{work}, {lettered(done)}")
        left = quotient
    reasoning = "\n".join([*lines, f"So {lettered(done)}."])
    return Solution(reasoning, f"{match[2]} in base {base} is {lettered(done)}", done, (match[2],))


def solve_from(task: str) -> Solution:
    """Work out "From base 16: A3F" (letters are capitals); ValueError for anything else."""
    match = re.fullmatch(r"From base (2|8|16): ([0-9A-F]{1,10})", task)
    if match is None:
        raise ValueError(f"not from another base: {task}")
    base, digits = int(match[1]), match[2]
    value = int(digits, base)  # ValueError for a digit that the base lacks
    if base == 16 and len(digits) > 3:
        raise ValueError(f"too large: {task}")
    spelt = lettered(digits)
    work = _by_places(digits) if base == 16 else _by_steps(digits, base)
    reasoning = "\n".join([f"From base {base}: {spelt}", *work, f"So {value}."])
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
    """The steps of n // base > 0; the first takes as many digits as it needs to reach the base."""
    steps, number, done = "", 0, 0
    for c in str(n):
        number = 10 * number + int(c)
        if not done and number < base:
            continue
        digit, rest = divmod(number, base)
        # From the second step on a number shows the rest before it, also where that is 0.
        shown = f"{number:02}" if done else str(number)
        done = 10 * done + digit
        steps += f" {shown}:{done}" + ("" if base == 2 else f":{digit * base}:{rest}")
        number = rest
    return steps


def _by_steps(digits: str, base: int) -> list[str]:
    """Horner's rule from the left, by groups of three binary digits or single octal ones."""
    size = 3 if base == 2 else 1
    value, lines = 0, []
    for start in range(0, len(digits), size):
        group, left = digits[start : start + size], digits[start + size :]
        digit, factor = int(group, base), base ** len(group)
        work = f"{value}*{factor}+{digit}{row(value, factor, digit)}" if start else str(digit)
        lines.append(f"{_taken(group, left)}: {work}")
        value = value * factor + digit
    return lines


def _by_places(digits: str) -> list[str]:
    lines, terms = list[str](), list[int]()
    for start, c in enumerate(digits, 1):
        left = digits[start:]
        digit, place = _DIGITS.index(c), 16 ** len(left)
        terms.append(digit * place)
        lines.append(f"{_taken(c, left)}: {digit}" + (f"*{place}={terms[-1]}" if left else ""))
    return lines + (column_sum(*terms).split("\n")[:-1] if len(terms) > 1 else [])


def _taken(group: str, left: str) -> str:
    """What a line takes of the number, and what is left of it."""
    return lettered(group) + (f" {lettered(left)}" if left else "")


def _sample(rng: random.Random, split: Split, way: str) -> tuple[int, int]:
    while True:
        base = rng.choice((2, 2, 8, 16))
        n = rng.randint(0, rng.choice((15, 127, _LARGEST[base])))
        if split_of(f"{n} {way} {base}") == split:
            return n, base


def _slots(rng: random.Random, number: str, base: int) -> dict[str, object]:
    return {"n": number, "b": base, "name": rng.choice(_NAMES[base])}
