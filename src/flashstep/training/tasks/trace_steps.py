"""What the traces of many families share: small sums as lines, and the check that works a problem again.

A trace is checked by reading the problem from the question (or from the trace's first line, which
must repeat what the question says), solving it again and comparing line by line.
"""

import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from flashstep.training.tasks.arithmetic import column_difference, column_sum
from flashstep.training.tasks.base import Example, Split, split_of
from flashstep.training.tasks.numbers.division import division_lines
from flashstep.training.tasks.numbers.multiplication import row

TraceCheck = Callable[[str, str, str], bool]
"""(question, reasoning, answer text) -> whether the steps are valid and lead to the answer."""

Problem = TypeVar("Problem")
_LARGEST_KNOWN = 20  # sums up to this are known by heart; longer ones are done in columns


@dataclass(frozen=True, slots=True)
class Solution:
    """A worked problem: `reasoning`, `answer` and `key` as in Example."""

    reasoning: str
    answer: str
    key: str

    def example(self, family: str, question: str, subject: str) -> Example:
        """The solution as the example of a family."""
        return Example(family, question, self.reasoning, self.answer, self.key, subject)

    def is_reached_by(
        self, reasoning: str, answer_text: str, verify: Callable[[Example, str], bool], subject: str = ""
    ) -> bool:
        """True when `reasoning` takes the same steps and `answer_text` gives their result."""
        return reasoning == self.reasoning and verify(self.example("", "", subject), answer_text)


def sample_in_split(
    rng: random.Random,
    split: Split,
    sample: Callable[[random.Random], Problem],
    subject: Callable[[Problem], str],
) -> Problem:
    """The first drawn problem whose subject belongs to `split`."""
    while True:
        problem = sample(rng)
        if split_of(subject(problem)) == split:
            return problem


def plus(a: int, b: int) -> list[str]:
    """The lines of a + b: one for a sum up to 20, else columns."""
    return [f"{a}+{b}={a + b}"] if a + b <= _LARGEST_KNOWN else without_verdict(column_sum(a, b))


def minus(a: int, b: int) -> list[str]:
    """The lines of a - b for a >= b >= 0: one for a up to 20, else columns."""
    return [f"{a}-{b}={a - b}"] if a <= _LARGEST_KNOWN else without_verdict(column_difference(a, b))


def times(a: int, digit: int) -> list[str]:
    """The lines of a times one digit: "347*6", "*6 7:42 4:282 3:2082, 2082". Behind each digit of `a`, from
    the right, stands the product so far with its carry in front."""
    if a < 10:
        return [f"{a}*{digit}={a * digit}"]
    return [f"{a}*{digit}", f"*{digit}{row(a, digit)}, {a * digit}"]


def over(a: int, digit: int) -> list[str]:
    """The lines of a divided by one digit without a rest: "378/9", "3|78: 0", "37|8: 4:36 37-36: 1, 04",
    "18|: 2:18 18-18: 0, 042". A line has the number so far and the digits to come, the digit, the difference (from
    the right), the quotient so far."""
    if a <= digit * 10:
        return [f"{a}/{digit}={a // digit}"]
    return [f"{a}/{digit}", *division_lines(a, digit)]


def mentions(question: str, items: Iterable[object]) -> bool:
    """True when every one of `items` stands in `question` as a word or a number of its own."""
    text = question.lower()
    return all(re.search(rf"(?<![\w.]){re.escape(str(i).lower())}(?!\w|\.\d)", text) for i in items)


def without_verdict(trace: str) -> list[str]:
    """The lines of a trace but for the last, which has its result."""
    return trace.split("\n")[:-1]
