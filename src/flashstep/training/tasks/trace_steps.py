"""What the traces of many families share: small sums as lines, and the check that works a problem again.

A trace is checked by reading the problem from the question (or from the trace's first line, which
must repeat what the question says), solving it again and comparing line by line.
"""

import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from flashstep.training.tasks.arithmetic import addition, subtraction
from flashstep.training.tasks.base import Example, Split, split_of

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
    return [f"{a}+{b}={a + b}"] if a + b <= _LARGEST_KNOWN else _without_verdict(addition(a, b))


def minus(a: int, b: int) -> list[str]:
    """The lines of a - b for a >= b >= 0: one for a up to 20, else columns."""
    return [f"{a}-{b}={a - b}"] if a <= _LARGEST_KNOWN else _without_verdict(subtraction(a, b))


def times(a: int, digit: int) -> list[str]:
    """The lines of a times one digit: "347*6", "7*6=42: 2", "4*6+4=28: 82", "3*6+2=20: 2082"."""
    if a < 10:
        return [f"{a}*{digit}={a * digit}"]
    lines, done, carry = [f"{a}*{digit}"], "", 0
    for index, top in enumerate(map(int, reversed(str(a))), 1):
        product = top * digit + carry
        is_last = index == len(str(a))
        done = f"{product if is_last else product % 10}{done}"
        lines.append(f"{top}*{digit}{f'+{carry}' if carry else ''}={product}: {done}")
        carry = product // 10
    return lines


def over(a: int, digit: int) -> list[str]:
    """The lines of a divided by one digit, with a rest of zero: "378/9", "37/9=4 rest 1: 4", "18/9=2: 42"."""
    if a <= digit * 10:
        return [f"{a}/{digit}={a // digit}"]
    lines, done, rest = [f"{a}/{digit}"], "", 0
    for figure in map(int, str(a)):
        part = 10 * rest + figure
        quotient, rest = divmod(part, digit)
        if done or quotient:  # a first figure smaller than the divisor goes with the next one
            done += str(quotient)
            lines.append(f"{part}/{digit}={quotient}{f' rest {rest}' if rest else ''}: {done}")
    return lines


def mentions(question: str, items: Iterable[object]) -> bool:
    """True when every one of `items` stands in `question` as a word or a number of its own."""
    text = question.lower()
    return all(re.search(rf"(?<![\w.]){re.escape(str(i).lower())}(?!\w|\.\d)", text) for i in items)


def _without_verdict(trace: str) -> list[str]:
    return trace.split("\n")[:-1]
