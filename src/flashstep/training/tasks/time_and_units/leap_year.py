"""Is a year a leap year: its last two digits, or the first two where it ends in 00, divided by 4.

2023: 23=4*5+3                   1900 ends in 00: 19=4*4+3
So 2023 is not a leap year.      So 1900 is not a leap year.
"""

import random
import re

from flashstep.training.tasks.answers import yes_or_no
from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.time_and_units.calendar_names import is_leap, leap_line
from flashstep.training.tasks.trace_steps import Solution, mentions, sample_in_split
from flashstep.training.tasks.wording import dress

_EARLIEST, _LATEST = 1000, 2999


def generate(rng: random.Random, split: Split) -> Example:
    """Ask whether a year from 1000 to 2999 is a leap year; about half are."""
    year = sample_in_split(rng, split, _sample, str)
    question = wordings("leap_year", split).choose(rng).format(year=year)
    return solve(year).example("leap_year", dress(rng, split, question), str(year))


def verify(example: Example, answer_text: str) -> bool:
    """True when the answer begins with the right one of yes and no."""
    return yes_or_no(answer_text) == example.key


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when the year is the question's and divided rightly."""
    year = re.match(r"(\d{4})\b", reasoning)
    if not year or not mentions(question, [year[1]]):
        return False
    return solve(int(year[1])).is_reached_by(reasoning, answer_text, verify)


def solve(year: int) -> Solution:
    """Whether `year` is a leap year."""
    leap = is_leap(year)
    told = f"{year} is {'' if leap else 'not '}a leap year."
    reasoning = f"{leap_line(year)}\nSo {told}"
    return Solution(reasoning, f"{'Yes' if leap else 'No'}, {told}", "yes" if leap else "no")


def _sample(rng: random.Random) -> int:
    draw = rng.random()
    if draw < 0.25:
        return 100 * rng.randint(_EARLIEST // 100, _LATEST // 100)
    year = rng.randint(_EARLIEST, _LATEST)
    return year - year % 4 if draw < 0.6 else year
