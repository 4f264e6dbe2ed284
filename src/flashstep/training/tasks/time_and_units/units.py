"""Converting lengths, masses, times and volumes by whole factors, one small step at a time.

    3.5 meters to centimeters        45 hours to minutes       180 seconds to minutes
    1 meter is 100 centimeters       1 hour is 60 minutes      1 minute is 60 seconds
    3.5*10=35                        45*6                      180/10=18
    35*10=350                        *6 5:30 4:270, 270        18/6=3
    So 350 centimeters.              270*10=2700               So 3 minutes.
                                     So 2700 minutes.

Tens move the point; other factors multiply digit by digit.
"""

import random
import re
from dataclasses import dataclass
from decimal import Decimal

from flashstep.training.tasks.answers import last_number, trimmed
from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.trace_steps import Solution, mentions, over, sample_in_split, times
from flashstep.training.tasks.wording import dress

# (small unit, large unit, how many small ones make a large one)
CONVERSIONS = (
    ("millimeter", "centimeter", 10), ("millimeter", "meter", 1000), ("centimeter", "meter", 100),
    ("decimeter", "meter", 10), ("meter", "kilometer", 1000), ("inch", "foot", 12), ("foot", "yard", 3),
    ("milligram", "gram", 1000), ("gram", "kilogram", 1000), ("kilogram", "ton", 1000), ("ounce", "pound", 16),
    ("milliliter", "liter", 1000), ("centiliter", "liter", 100), ("deciliter", "liter", 10),
    ("cup", "pint", 2), ("pint", "quart", 2), ("quart", "gallon", 4), ("cup", "gallon", 16),
    ("second", "minute", 60), ("minute", "hour", 60), ("second", "hour", 3600), ("hour", "day", 24),
    ("day", "week", 7), ("month", "year", 12), ("year", "decade", 10), ("year", "century", 100),
)  # fmt: skip
_FACTORS = {(small, large): factor for small, large, factor in CONVERSIONS}
_PLURALS = {"inch": "inches", "foot": "feet", "century": "centuries"}
_SINGULARS = {plural: unit for unit, plural in _PLURALS.items()}
_SHORT = {
    "millimeter": "mm", "centimeter": "cm", "meter": "m", "kilometer": "km", "milligram": "mg", "gram": "g",
    "kilogram": "kg", "milliliter": "ml", "liter": "l", "centiliter": "cl", "deciliter": "dl",
    "decimeter": "dm",
}  # fmt: skip
_HEADING = re.compile(r"(\d+(?:\.\d+)?) ([a-z]+) to ([a-z]+)\n")
_LARGEST_QUOTIENT = 99


@dataclass(frozen=True, slots=True)
class Problem:
    """`amount` of `unit` in `wanted`; units in the singular."""

    amount: str
    unit: str
    wanted: str

    @property
    def subject(self) -> str:
        """What decides the split."""
        return f"{self.amount} {self.unit} {self.wanted}"


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for an amount in another unit, written in words or as usual abbreviations."""
    problem = sample_in_split(rng, split, _sample, lambda p: p.subject)
    is_short = {problem.unit, problem.wanted} <= _SHORT.keys() and rng.random() < 0.35
    unit = _SHORT[problem.unit] if is_short else many(problem.unit, problem.amount)
    wanted = _SHORT[problem.wanted] if is_short else many(problem.wanted)
    question = wordings("units", split).choose(rng).format(amount=f"{problem.amount} {unit}", unit=wanted)
    return solve(problem).example("units", dress(rng, split, question), problem.subject)


def verify(example: Example, answer_text: str) -> bool:
    """True when the last number of the answer is the converted amount."""
    return last_number(answer_text) == example.key


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when amount and units are the question's and every step is right."""
    heading = _HEADING.match(reasoning)
    if not heading:
        return False
    unit, wanted = (_SINGULARS.get(word, word.removesuffix("s")) for word in heading.group(2, 3))
    problem = Problem(heading[1], unit, wanted)
    if not _is_possible(problem) or not mentions(question, [problem.amount]):
        return False
    is_asked = all(_is_named(question, name) for name in (unit, wanted))
    return is_asked and solve(problem).is_reached_by(reasoning, answer_text, verify)


def solve(problem: Problem) -> Solution:
    """The amount in the wanted unit."""
    amount, unit, wanted = problem.amount, problem.unit, problem.wanted
    to_small = (wanted, unit) in _FACTORS
    small, large = (wanted, unit) if to_small else (unit, wanted)
    factor = _FACTORS[small, large]
    lines, result = (_multiplied if to_small else _divided)(amount, factor)
    start = f"{amount} {many(unit, amount)}"
    told = f"{result} {many(wanted, result)}"
    heading = [f"{start} to {many(wanted)}", f"1 {large} is {factor} {many(small)}"]
    is_or_are = "is" if amount == "1" else "are"
    return Solution("\n".join([*heading, *lines, f"So {told}."]), f"{start} {is_or_are} {told}.", result)


def many(unit: str, amount: str = "") -> str:
    """The unit's plural, or its singular for the amount 1."""
    return unit if amount == "1" else _PLURALS.get(unit, f"{unit}s")


def _steps(factor: int) -> list[int]:
    """60 is 6*10, 1000 is 10*10*10, 3600 is 6*10*6*10; the others stay whole."""
    steps = {60: [6, 10], 3600: [6, 10, 6, 10]}
    return steps.get(factor) or ([10] * (len(str(factor)) - 1) if factor % 10 == 0 else [factor])


def _multiplied(amount: str, factor: int) -> tuple[list[str], str]:
    lines = []
    for step in _steps(factor):
        product = _plain(Decimal(amount) * step)
        if step == 10:
            lines.append(f"{amount}*10={product}")
        else:  # of the two numbers one has a single digit
            lines += times(int(amount), step) if step < 10 else times(step, int(amount))
        amount = product
    return lines, amount


def _divided(amount: str, factor: int) -> tuple[list[str], str]:
    lines = []
    for step in reversed(_steps(factor)):
        quotient = _plain(Decimal(amount) / step)
        if step == 10:
            lines.append(f"{amount}/10={quotient}")
        else:  # a quotient of one digit is found among the multiples of a large step
            lines += over(int(amount), step) if step < 10 else [f"{step}*{quotient}={amount}"]
        amount = quotient
    return lines, amount


def _plain(number: Decimal) -> str:
    return trimmed(f"{number:f}")


def _is_possible(problem: Problem) -> bool:
    """True when the units belong together and every step stays as small as in `_sample`."""
    factor = _FACTORS.get((problem.wanted, problem.unit))
    amount = Decimal(problem.amount)
    is_ten = set(_steps(factor or _FACTORS.get((problem.unit, problem.wanted), 1))) == {10}
    if is_ten:
        return True
    if factor:
        return amount == int(amount) and (min(_steps(factor)) < 10 or amount < 10)
    factor = _FACTORS.get((problem.unit, problem.wanted))
    return factor is not None and amount % factor == 0


def _is_named(question: str, unit: str) -> bool:
    names = [unit, many(unit), *([_SHORT[unit]] if unit in _SHORT else [])]
    return any(mentions(question, [name]) for name in names)


def _sample(rng: random.Random) -> Problem:
    small, large, factor = rng.choice(CONVERSIONS)
    steps = _steps(factor)
    if rng.random() < 0.5:
        amount = str(rng.randint(2, 99)) if small == "year" else _amount(rng, steps)
        return Problem(amount, large, small)
    if set(steps) == {10}:
        return Problem(_amount(rng, steps), small, large)
    if factor == 3600:
        small, large, factor = "minute", "hour", 60
    most = 9 if factor > 10 and factor != 60 else _LARGEST_QUOTIENT
    return Problem(str(factor * rng.randint(2, rng.choice((9, most)))), small, large)


def _amount(rng: random.Random, steps: list[int]) -> str:
    if set(steps) == {10}:
        digits = rng.choice((1, 2, 2, 3, 4))
        number = Decimal(rng.randrange(10 ** (digits - 1), 10**digits))
        return _plain(number / 10 ** rng.choice((0, 0, 1, 2)))
    if min(steps) >= 10 or len(steps) == 4:
        return str(rng.randint(2, 9))
    return str(rng.randint(2, rng.choice((12, 99, 300))))
