"""A linear equation: the constant goes to the other side, then long division by the coefficient."""

import re

from flashstep.training.tasks.arithmetic import column_difference, column_sum
from flashstep.training.tasks.gym.solved import Entry, Solved, TooLong
from flashstep.training.tasks.numbers.division import difference, division_lines
from flashstep.training.tasks.numbers.multiplication import row

MAX_COEFFICIENT = 999


def solve(entry: Entry) -> Solved:
    """Bring "a*x + b = c" to "a*x = c - b", whose right side is positive, subtract, divide.

    84*t + 437 = 941
    84*t = 941-437
    (columns)
    84*t = 504
    504/84
    (long division)
    t = 6

    Coefficients of three and four digits get their multiples as rows, longer ones raise TooLong; so do
    equations in which the variable has cancelled out.
    """
    equation, variable = entry["metadata"]["equation"], entry["metadata"]["variable"]
    left, right = equation.split(" = ")
    match = re.fullmatch(rf"(\d+ )?(- |-)?(?:(\d+)\*)?{variable}( [+-] \d+)?", left)
    if match is None:
        raise TooLong(f"no {variable} in it: {equation}")
    coefficient = int(match[3] or 1)
    if coefficient > MAX_COEFFICIENT:
        raise TooLong(f"divides by {coefficient}")
    term = f"{coefficient}*{variable}" if match[3] else variable
    constant = int((match[1] or match[4] or "0").replace(" ", ""))
    moved, value = _moved(-1 if match[2] else 1, constant, int(right))
    lines = [equation]
    if constant:
        lines += [f"{term} = {moved}", *_worked(moved)]
    if constant or match[2]:
        lines.append(f"{term} = {value}")
    if match[3]:
        lines += [f"{value}/{coefficient}", *_divided(value, coefficient)]
        lines.append(f"{variable} = {value // coefficient}")
    return Solved("\n".join(lines), str(value // coefficient))


def _moved(sign: int, constant: int, right: int) -> tuple[str, int]:
    """What `sign` * (right - constant) is, written with positive numbers: "941-437", and its value."""
    pluses = [term for term in (sign * right, -sign * constant) if term >= 0]
    minuses = [-term for term in (sign * right, -sign * constant) if term < 0]
    shown = "+".join(map(str, pluses)) + "".join(f"-{term}" for term in minuses)
    return shown, sum(pluses) - sum(minuses)


def _worked(moved: str) -> list[str]:
    """The columns of a sum or difference, without the line that says the result."""
    if "+" in moved:
        return column_sum(*map(int, moved.split("+"))).split("\n")[:-1]
    return column_difference(*map(int, moved.split("-"))).split("\n")[:-1]


def _divided(value: int, divisor: int) -> list[str]:
    """Long division; by three digits or more, with rows of multiples and that many digits to start with."""
    if divisor < 100:
        return division_lines(value, divisor)
    lines = [f"*1, {divisor}"]
    lines += [f"*{times}{row(divisor, times)}, {divisor * times}" for times in range(2, 10)]
    width, done = len(str(divisor)) - 1, ""
    number = int(str(value)[:width])
    for c in str(value)[width:]:
        number = 10 * number + int(c)
        digit, rest = divmod(number, divisor)
        done += str(digit)
        step = f"{number}: {digit} {difference(number, digit * divisor)}" if digit else f"{number}<{divisor}"
        lines.append(f"{step}, {done}")
        number = rest
    return lines
