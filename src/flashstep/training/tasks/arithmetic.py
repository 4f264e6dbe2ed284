"""Adding and subtracting, column by column from the right; up to five digits unless told otherwise.

After each column the result so far is written again in full, so the next step looks back one line:

    48+75          52-17            312-345
    8+5=13: 3      5>1              3=3 1<4, negative, so 345-312:
    4+7+1=12: 23   2+10-7=5: 5      5-2=3: 3
    0+0+1=1: 123   5-1-1=3: 35      4-1=3: 33
    So 123.        So 35.           3-3=0: 033
                                    So -33.

Both numbers are written equally long first. In an addition `+1` behind a column is the carry. A
subtraction first compares the digits from the left, which tells the sign; then `-1` behind the top
digit pays the borrow of the column before, `+10` takes a new one.
"""

import random
from collections.abc import Sequence

from flashstep.training.tasks.answers import last_number
from flashstep.training.tasks.base import Example, Split, pair_subject, split_of
from flashstep.training.tasks.digit_walk import walk
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.wording import dress

MAX_DIGITS = 5


def generate(rng: random.Random, split: Split, max_digits: int = MAX_DIGITS) -> Example:
    """Ask for a sum or a difference of two non-negative integers of 1 to `max_digits` digits."""
    a, b = _sample_pair(rng, split, max_digits)
    subtracts = rng.random() < 0.5
    if subtracts and a < b and rng.random() < 0.5:
        a, b = b, a
    sign, result = ("-", a - b) if subtracts else ("+", a + b)
    wording = wordings("subtract" if subtracts else "add", split).choose(rng)
    return Example(
        family="arithmetic",
        question=dress(rng, split, wording.format(a=a, b=b)),
        reasoning=column_difference(a, b) if subtracts else column_sum(a, b),
        answer=f"{a} {sign} {b} = {result}",
        key=str(result),
        subject=pair_subject(str(a), str(b)),
    )


def verify(example: Example, answer_text: str) -> bool:
    """True when the last number of the answer is the result; thousands separators are ignored."""
    return last_number(answer_text) == example.key


def column_sum(*numbers: int) -> str:
    """The trace that adds two or more non-negative integers; its last line is "So <sum>."."""
    lines, done, carry = [_aligned(numbers, "+")], "", 0
    for column in _columns(*numbers):
        total = sum(column) + carry
        done = f"{total % 10}{done}"
        lines.append(f"{'+'.join(map(str, column))}{f'+{carry}' if carry else ''}={total}: {done}")
        carry = total // 10
    if carry:
        done = f"{carry}{done}"
        lines.append(f"{'0+' * len(numbers)}{carry}={carry}: {done}")
    return "\n".join([*lines, f"So {int(done)}."])


def column_difference(a: int, b: int) -> str:
    """The trace of a - b, both non-negative; its last line is "So <difference>.". The walk over the
    digits, largest first, tells the sign; then the smaller is taken off the larger."""
    aligned = _aligned((a, b), "-")
    lines, sign = [aligned, walk(*aligned.split("-"))[0]], ""
    if a < b:
        a, b, sign = b, a, "-"
        lines[1] += f", negative, so {_aligned((a, b), '-')}:"
    done, borrow = "", 0
    for top, bottom in _columns(a, b):
        paid = "-1" if borrow else ""
        difference = top - borrow - bottom
        borrow = int(difference < 0)
        difference += 10 * borrow
        done = f"{difference}{done}"
        lines.append(f"{top}{paid}{'+10' if borrow else ''}-{bottom}={difference}: {done}")
    return "\n".join([*lines, f"So {sign}{int(done)}."])


def _aligned(numbers: Sequence[int], sign: str) -> str:
    """The numbers written equally long, so that column k is digit k of each: "345-012"."""
    width = max(len(str(n)) for n in numbers)
    return sign.join(f"{n:0{width}}" for n in numbers)


def _columns(*numbers: int) -> list[tuple[int, ...]]:
    width = max(len(str(n)) for n in numbers)
    digits = zip(*(map(int, reversed(f"{n:0{width}}")) for n in numbers), strict=True)
    return list(digits)


def _sample_pair(rng: random.Random, split: Split, max_digits: int) -> tuple[int, int]:
    while True:
        a = _sample_number(rng, max_digits)
        draw = rng.random()
        if draw < 0.04:
            b = a
        elif draw < 0.12:
            b = _carrying_partner(rng, a)
        elif draw < 0.27:  # as long as a: only its digits tell which one is larger
            b = rng.randrange(10 ** (len(str(a)) - 1) if a > 9 else 0, 10 ** len(str(a)))
        else:
            b = _sample_number(rng, max_digits)
        if split_of(pair_subject(str(a), str(b))) == split:
            return a, b


def _sample_number(rng: random.Random, max_digits: int) -> int:
    digits = rng.randint(1, max_digits)
    if rng.random() < 0.1:  # 9s and 0s make long chains of carries and borrows
        return int("".join(rng.choices("9900158", k=digits)))
    return rng.randrange(10 ** (digits - 1) if digits > 1 else 0, 10**digits)


def _carrying_partner(rng: random.Random, a: int) -> int:
    """A number whose columns with `a` sum to about 9, so that one carry runs through all of them."""
    complement = int("9" * len(str(a))) - a
    return complement + rng.randint(0, min(3, a))
