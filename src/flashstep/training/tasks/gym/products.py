"""Products of two numbers of up to five digits: a row for each digit, then all rows added at once."""

import re

from flashstep.training.tasks.base import pair_subject
from flashstep.training.tasks.gym.solved import Entry, Solved, TooLong
from flashstep.training.tasks.numbers.multiplication import product_lines

_MOST_EASY_ROWS = 3  # their columns are those that `numbers/multiplication.py` shows


def solve(entry: Entry) -> Solved:
    """The rows of `numbers/multiplication.py`. From four rows on, a column adds its digits one after another:

    5+3=8+7=15+0=15+2=17: 7
    """
    match = re.fullmatch(r"(\d+) \* (\d+)", entry["metadata"]["expression"])
    if match is None:
        raise TooLong("not a product of two numbers")
    a, b = int(match[1]), int(match[2])
    work = [f"{a}*{b}={a * b}"] if max(a, b) < 10 else [f"{a}*{b}", *long_product_lines(a, b)]
    return Solved("\n".join([*work, f"So {a * b}."]), str(a * b), (pair_subject(match[1], match[2]),))


def long_product_lines(a: int, b: int) -> list[str]:
    """The work for a * b; TooLong when the shorter one has more than five digits that are not 0."""
    if len(str(a)) < len(str(b)):
        a, b = b, a
    digits = len(str(b).replace("0", ""))
    lines = product_lines(a, b)
    if digits <= _MOST_EASY_ROWS:
        return lines
    if digits > 5:
        raise TooLong("a product of many rows")
    num_rows = next(i for i, line in enumerate(lines) if "+" in line)
    values = [int(line.rpartition(" ")[2]) for line in lines[:num_rows] if line.startswith("*")]
    return [*lines[: num_rows + 1], *_columns(values, len(lines[num_rows].partition("+")[0]))]


def _columns(values: list[int], width: int) -> list[str]:
    """The columns from the right, the carry of the column before as the last thing added."""
    lines, done, carry = [], "", 0
    for place in range(width):
        digits = [value // 10**place % 10 for value in values]
        terms = [*digits, carry] if carry else digits
        total, chain = terms[0], str(terms[0])
        for term in terms[1:]:
            total += term
            chain += f"+{term}={total}"
        done = f"{total % 10}{done}"
        lines.append(f"{chain}: {done}")
        carry = total // 10
    return [*lines, f"{carry}: {carry}{done}"] if carry else lines
