"""Sums and differences of up to six decimals, all of them with four decimals."""

from string import ascii_lowercase

from flashstep.training.tasks.digit_walk import walk
from flashstep.training.tasks.gym.solved import Entry, Solved, TooLong

_PLACES = 4
_MOST_CHARS = 690  # nearly every character of such a trace is a token


def solve(entry: Entry) -> Solved:
    """Each number has a letter, and each total is as wide as the numbers are. The columns are those of
    arithmetic.py, but what is done is begun anew at the point. TooLong for six large numbers.

    a 08.9700
    b -09.3000
    = 08.9700
    b 08.9700-09.3000
    0=0 8<9, negative, so 09.3000-08.9700:
    0-0=0: 0
    0-0=0: 00
    0+10-7=3: 300
    3-1+10-9=3: 3300
    .
    9-1-8=0: 0
    0-0=0: 00
    = -00.3300
    So -0.3300
    """
    signs, numbers = _terms(entry["metadata"]["expression"])
    lines = [f"{a} {sign}{n}" for a, sign, n in zip(ascii_lowercase, signs, numbers, strict=False)]
    total = numbers[0]
    lines.append(f"= {total}")
    for letter, sign, number in zip(ascii_lowercase[1:], signs[1:], numbers[1:], strict=False):
        work, total = _added(total, sign, number)
        lines += [f"{letter} {work[0]}", *work[1:], f"= {total}"]
    answer = _without_first_zeros(total)
    reasoning = "\n".join([*lines, f"So {answer}"])
    if len(reasoning) > _MOST_CHARS:
        raise TooLong("many long numbers")
    return Solved(reasoning, answer)


def _terms(expression: str) -> tuple[list[str], list[str]]:
    """The signs ("" for the first) and the numbers, all with four decimals."""
    parts = expression.split(" ")
    numbers = []
    for part in parts[::2]:
        whole, _, decimals = part.partition(".")
        numbers.append(f"{whole}.{decimals:0<{_PLACES}}")
    return ["", *parts[1::2]], numbers


def _without_first_zeros(total: str) -> str:
    sign = "-" if total.startswith("-") else ""
    whole, _, decimals = total.removeprefix("-").partition(".")
    return f"{sign}{int(whole)}.{decimals}"


def _added(total: str, sign: str, number: str) -> tuple[list[str], str]:
    """The columns for a total, which may have a minus, and a number; and the total after them."""
    before = total.removeprefix("-")
    width = max(len(before), len(number))
    before, number = before.zfill(width), number.zfill(width)
    if not total.startswith("-"):
        return _sum(before, number) if sign == "+" else _difference(before, number)
    if sign == "+":
        return _difference(number, before)
    (first, *columns), after = _sum(before, number)
    return [f"-({first})", *columns], f"-{after}"


def _sum(a: str, b: str) -> tuple[list[str], str]:
    lines, done, decimals, carry = [f"{a}+{b}"], "", "", 0
    for top, bottom in zip(reversed(a), reversed(b), strict=True):
        if top == ".":
            lines.append(".")
            done, decimals = "", done
            continue
        total = int(top) + int(bottom) + carry
        done = f"{total % 10}{done}"
        lines.append(f"{top}+{bottom}{'+1' if carry else ''}={total}: {done}")
        carry = total // 10
    if carry:
        done = f"1{done}"
        lines.append(f"0+0+1=1: {done}")
    return lines, f"{done}.{decimals}"


def _difference(a: str, b: str) -> tuple[list[str], str]:
    lines, sign = [f"{a}-{b}", walk(a, b)[0]], ""
    if a < b:
        a, b, sign = b, a, "-"
        lines[1] += f", negative, so {a}-{b}:"
    done, decimals, borrow = "", "", 0
    for top, bottom in zip(reversed(a), reversed(b), strict=True):
        if top == ".":
            lines.append(".")
            done, decimals = "", done
            continue
        paid = "-1" if borrow else ""
        digit = int(top) - borrow - int(bottom)
        borrow = int(digit < 0)
        digit += 10 * borrow
        done = f"{digit}{done}"
        lines.append(f"{top}{paid}{'+10' if borrow else ''}-{bottom}={digit}: {done}")
    return lines, f"{sign}{done}.{decimals}"
