"""How a number family asks: a worked task becomes an example, and answers are read for numbers."""

import random
import re
from decimal import Decimal

from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.trace_check import Solution
from flashstep.training.tasks.wording import dress

_READ = re.compile(r"(?<![\d.])-?\d+(?:\.\d+)?")


def example_of(
    rng: random.Random,
    split: Split,
    family: str,
    kind: str,
    subject: str,
    solution: Solution,
    **slots: object,
) -> Example:
    """The example that asks for `solution` in a wording of `kind`, its placeholders filled with `slots`."""
    question = dress(rng, split, wordings(kind, split).choose(rng).format(**slots))
    return Example(family, question, solution.reasoning, solution.answer, solution.key, subject)


def numbers_in(text: str) -> list[Decimal]:
    """All numbers in `text`; thousands separators are ignored, the long minus is a minus."""
    plain = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text.replace("−", "-"))
    return [Decimal(number) for number in _READ.findall(plain)]


def ends_with_number(example: Example, answer_text: str) -> bool:
    """True when the last number of the answer equals the key."""
    return numbers_in(answer_text)[-1:] == [Decimal(example.key)]


def sample_integer(rng: random.Random, num_digits: int, low: int = 0) -> int:
    """A number of exactly `num_digits` digits and at least `low`; now and then full of 9s and 0s."""
    if num_digits > 1 and rng.random() < 0.1:
        return int(rng.choice("159") + "".join(rng.choices("9900158", k=num_digits - 1)))
    return rng.randrange(max(low, 10 ** (num_digits - 1) if num_digits > 1 else 0), 10**num_digits)
