"""Fractions in lowest terms: Euclid's steps down to 0, then up again from 1 and 0 with the same factors."""

import string
from dataclasses import dataclass

from flashstep.training.tasks.gym.solved import Entry, Solved, TooLong
from flashstep.training.tasks.numbers.division import difference
from flashstep.training.tasks.numbers.multiplication import row

_MOST_CHARS = 690  # nearly every character of such a trace is a token
_STYLES = {"plain": "{}/{}", "latex_inline": "${}/{}$", "latex_frac": r"$\frac{{{}}}{{{}}}$",
           "latex_dfrac": r"$\dfrac{{{}}}{{{}}}$"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Step:
    """high = factor * low + rest, or - rest; its mark is the letter, the factor, the sign: "a5+"."""

    mark: str
    factor: int
    sign: str


def solve(entry: Entry) -> Solved:
    """A step down takes the nearest multiple of the smaller number; its sign says on which side of the larger
    number it lies. A factor of two digits or more is taken apart: the tens first, which leaves the smaller
    number in place. Going up, a factor times the first number, plus or minus the second, is the new number.

    49644 9387: 5 7:35 8:435 3:1935 9:46935, a5+ 49644-46935: 9 09 709 2709
    9387 2709: 3 9:27 0:027 7:2127 2:08127, b3+ 9387-8127: 0 60 260 1260
    2709 1260: 2 0:00 6:120 2:0520 1:02520, c2+ 2709-2520: 9 89 189
    1260 189: 7 9:63 8:623 1:1323, d7- 1323-1260: 3 63
    189 63: 3 3:09 6:189, e3+ 189-189: 0
    up e3+ 1 0: 1:03, 3+0: 03
    up d7- 3 1: 3:21, 21-1: 0 20
    up c2+ 20 3: 0:00 2:040, 40+03: 03 043
    up b3+ 43 20: 3:09 4:129, 129+020: 09 049 0149
    up a5+ 149 43: 9:45 4:245 1:0745, 745+043: 08 088 0788
    So 149/788
    """
    metadata = entry["metadata"]
    low, high = metadata["numerator"], metadata["denominator"]
    steps, lines = _down(high, low)
    climb, (reduced_high, reduced_low) = _up(steps)
    reasoning = "\n".join([*lines, *climb, f"So {reduced_low}/{reduced_high}"])
    if len(reasoning) > _MOST_CHARS:
        raise TooLong("many steps")
    return Solved(reasoning, _STYLES[metadata["style"]].format(reduced_low, reduced_high))


def _down(high: int, low: int) -> tuple[list[_Step], list[str]]:
    """Euclid's steps until nothing is left."""
    steps: list[_Step] = []
    lines: list[str] = []
    while low:
        factor = _factor(high, low, bool(steps) and _keeps_low(steps[-1]))
        product = factor * low
        sign = "-" if product > high else "+"
        if len(steps) == len(string.ascii_lowercase):
            raise TooLong("many steps")
        step = _Step(f"{string.ascii_lowercase[len(steps)]}{factor}{sign}", factor, sign)
        larger, smaller = max(high, product), min(high, product)
        rows = _rows(low, factor)
        work = f" {difference(larger, smaller)}" if factor else ""
        lines.append(f"{high} {low}: {factor}{rows} {step.mark}{work}")
        steps.append(step)
        rest = larger - smaller
        high, low = (rest, low) if _keeps_low(step) else (low, rest)
    return steps, lines


def _rows(low: int, factor: int) -> str:
    """The product with the first digit of the factor; its zeros come later."""
    return f"{row(low, int(str(factor)[0]))}," if factor > 1 else ","


def _keeps_low(step: _Step) -> bool:
    return step.factor > 9


def _factor(high: int, low: int, follows_tens: bool) -> int:
    """The nearest factor below ten; what stands before the zeros of a larger one."""
    quotient = str(high // low)
    if len(quotient) > 1:
        return int(quotient[0].ljust(len(quotient), "0"))
    nearest = min(9, (2 * high + low) // (2 * low))
    return nearest if follows_tens else max(1, nearest)


def _up(steps: list[_Step]) -> tuple[list[str], tuple[int, int]]:
    """From 1 and 0 back to what the two numbers are in lowest terms, and the lines of it."""
    lines, low, rest, high = [], 1, 0, 1
    for place, step in reversed(list(enumerate(steps))):
        product = step.factor * low
        rows = _rows(low, step.factor)
        high = product + rest if step.sign == "+" else product - rest
        work = _sum(product, rest) if step.sign == "+" else difference(product, rest)
        lines.append(f"up {step.mark} {low} {rest}:{rows} {work}")
        keeps_low = place > 0 and _keeps_low(steps[place - 1])
        low, rest = (low, high) if keeps_low else (high, low)
    return lines, (low, rest)


def _sum(a: int, b: int) -> str:
    """a + b from the right; what is done of it is written again with each digit, its carry in front."""
    width, done, carry, text = max(len(str(a)), len(str(b))), "", 0, ""
    for place in range(width):
        total = a // 10**place % 10 + b // 10**place % 10 + carry
        done, carry = f"{total % 10}{done}", total // 10
        text += f" {carry}{done}"
    return f"{a:0{width}}+{b:0{width}}:{text}"
