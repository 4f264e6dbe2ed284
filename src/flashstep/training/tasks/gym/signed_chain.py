"""Expressions whose numbers may be negative: one operation at a time, the rest copied, as in
`numbers/chain.py`. A line of its own takes away signs that meet."""

import re
from dataclasses import dataclass

from flashstep.training.tasks.arithmetic import column_difference, column_sum
from flashstep.training.tasks.gym.products import long_product_lines
from flashstep.training.tasks.gym.solved import TooLong
from flashstep.training.tasks.numbers.division import difference, division_lines
from flashstep.training.tasks.numbers.multiplication import row

_NUMBER = re.compile(r"-?\d+")
_PRODUCT = re.compile(r"(-?)(?<!\d)(\d+)([*/])(-?)(\d+)")
_SUM = re.compile(r"(-?)(\d+)([+-])(\d+)")
_MEETING = {"--": "+", "+-": "-"}


@dataclass(frozen=True, slots=True)
class _Step:
    """The work for one operation, which stands at `start` to `end`, and what takes its place."""

    start: int
    end: int
    lines: list[str]
    value: str


def reduce_signed(expression: str) -> tuple[list[str], str]:
    """The lines that lead from an expression without spaces to its value, and the value; TooLong for a
    division that leaves a rest.

        -9+5--1*-4       (12-20)*3
        -9+5+1*-4        12-20
        +1*-4=-1*4       1<2, negative, so 20-12:
        1*4=4            (columns)
        -9+5-4           (-8)*3
        5-9=-4           -8*3
        -4-4             8*3=24
        -(4+4)=-8        So -24.
        So -8.
    """
    lines = []
    while not _NUMBER.fullmatch(expression):
        lines.append(expression)
        cleaned = without_meeting_signs(expression)
        if cleaned == expression:
            work, expression = _reduced(expression)
            lines += work
        else:
            expression = cleaned
    value = str(int(expression))
    return [*lines, f"So {value}."], value


def without_meeting_signs(expression: str) -> str:
    """ "5+3*-4" for "5--3*--(-4)": no number alone in brackets, no sign behind + or -."""
    text = re.sub(r"\((-?\d+)\)", r"\1", expression)
    while found := re.search(r"--|\+-", text):
        text = text[: found.start()] + _MEETING[found[0]] + text[found.end() :]
    return re.sub(r"(^|[(*/])\+", r"\1", text)


def signed_sum_lines(a: int, sign: str, b: int) -> list[str]:
    """The work for a + b or a - b, where only a may be negative."""
    if a < 0 and sign == "-":
        if max(-a, b) < 10:
            return [f"-({-a}+{b})={a - b}"]
        first, *columns = column_sum(-a, b).split("\n")[:-1]
        return [f"-({first})", *columns]
    if a < 0:
        a, sign, b = b, "-", -a
    if max(a, b) < 10:
        return [f"{a}{sign}{b}={a + b if sign == '+' else a - b}"]
    return (column_sum(a, b) if sign == "+" else column_difference(a, b)).split("\n")[:-1]


def _reduced(expression: str) -> tuple[list[str], str]:
    group = re.search(r"\(([^()]+)\)", expression)
    segment = group[1] if group else expression
    product = _PRODUCT.search(segment)
    step = _multiply(product) if product else _add(_SUM.match(segment))
    rest = segment[: step.start] + step.value + segment[step.end :]
    rest = rest.removeprefix("+")
    if group is None:
        return step.lines, rest
    inner = rest if rest.isdecimal() else f"({rest})"
    return step.lines, expression[: group.start()] + inner + expression[group.end() :]


def _multiply(found: re.Match[str] | None) -> _Step:
    """The sign before the product stays, unless the second number has one too."""
    assert found is not None, "asked for where there is a product"
    before, operation, second = found[1], found[3], found[4]
    a, b = int(found[2]), int(found[5])
    is_product = operation == "*"
    if not is_product and (b == 0 or a % b):
        raise TooLong("a division that leaves a rest")
    lines, start, sign = [], found.start(), before
    if second:
        plus_before = start > 0 and not before and found.string[start - 1] == "+"
        start -= plus_before
        sign = "+" if before else "-"
        shown = "+" if plus_before else before
        lines.append(f"{shown}{a}{operation}-{b}={sign}{a}{operation}{b}")
    value = a * b if is_product else a // b
    work = product_lines_for(a, b) if is_product else quotient_lines_for(a, b)
    return _Step(start, found.end(), lines + work, f"{sign}{value}")


def product_lines_for(a: int, b: int) -> list[str]:
    """A product of one-digit numbers, or with 0 or 1, is known by heart."""
    is_easy = max(a, b) < 10 or min(a, b) < 2
    return [f"{a}*{b}={a * b}"] if is_easy else long_product_lines(a, b)


def quotient_lines_for(a: int, b: int) -> list[str]:
    """A quotient of one digit is tried out at once, as in `numbers/divisors.py`."""
    quotient = a // b
    if b == 1 or quotient < 2 or a < 10 or quotient == 10:
        return [f"{a}/{b}={quotient}"]
    if b > 9 and quotient < 10:
        return [f"{a} {b}: {quotient}{row(b, quotient)}, {difference(a, b * quotient)}"]
    return division_lines(a, b)


def _add(found: re.Match[str] | None) -> _Step:
    assert found is not None, "an expression without a product is a sum"
    a, sign, b = int(found[1] + found[2]), found[3], int(found[4])
    value = a + b if sign == "+" else a - b
    return _Step(0, found.end(), signed_sum_lines(a, sign, b), str(value))
