"""The change when something is paid with a bill: both amounts in cents, then a subtraction in columns.

    20.00-13.45
    2000-1345
    2>1
    0+10-5=5: 5
    ...
    655: 6.55
    So $6.55.

Whole amounts stay as they are.
"""

import random
import re
from dataclasses import dataclass

from flashstep.training.tasks.answers import last_number, trimmed
from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.trace_steps import Solution, mentions, minus, sample_in_split
from flashstep.training.tasks.wording import dress

_BILLS = (1, 2, 5, 10, 20, 50, 100)
_STYLES = ("${}", "${}", "{} dollars", "€{}", "{} euros")
_HEADING = re.compile(r"(\d+(?:\.\d\d)?)-(\d+(?:\.\d\d)?)\n")


@dataclass(frozen=True, slots=True)
class Problem:
    """Price and payment in cents; `style` is how an amount is written, "${}" for $3.50."""

    price: int
    paid: int
    style: str

    @property
    def subject(self) -> str:
        """What decides the split."""
        return f"{self.paid} {self.price}"


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for the change from 1 to 100 dollars or euros."""
    problem = sample_in_split(rng, split, _sample, lambda p: p.subject)
    price, paid = (problem.style.format(_short(cents)) for cents in (problem.price, problem.paid))
    question = wordings("change", split).choose(rng).format(price=price, paid=paid)
    return solve(problem).example("change", dress(rng, split, question), problem.subject)


def verify(example: Example, answer_text: str) -> bool:
    """True when the last number of the answer is the change."""
    return last_number(answer_text) == example.key


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when the amounts are the question's and the subtraction is right."""
    heading = _HEADING.match(reasoning)
    if not heading:
        return False
    paid, price = (round(float(text) * 100) for text in heading.groups())
    if price > paid or not mentions(question, [_short(price), _short(paid)]):
        return False
    style = next((s for s in _STYLES if s.format(_short(price)) in question.lower()), "{}")
    return solve(Problem(price, paid, style)).is_reached_by(reasoning, answer_text, verify)


def solve(problem: Problem) -> Solution:
    """The change."""
    price, paid, change = problem.price, problem.paid, problem.paid - problem.price
    if price % 100 == paid % 100 == 0:
        lines = [f"{paid // 100}-{price // 100}", *minus(paid // 100, price // 100)]
    else:
        lines = [f"{_long(paid)}-{_long(price)}", *minus(paid, price), f"{change}: {_long(change)}"]
    told = problem.style.format(_short(change))
    return Solution("\n".join([*lines, f"So {told}."]), f"The change is {told}.", trimmed(_long(change)))


def _short(cents: int) -> str:
    return str(cents // 100) if cents % 100 == 0 else _long(cents)


def _long(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def _sample(rng: random.Random) -> Problem:
    paid = 100 * rng.choice(_BILLS)
    if rng.random() < 0.15:
        paid = 100 * rng.randint(1, 100)
    price = rng.randint(5, paid - 1)
    price -= rng.choice((0, price % 5, price % 10, price % 100))
    return Problem(price or 50, paid, rng.choice(_STYLES))
