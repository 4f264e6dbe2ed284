"""A time of day from 12 into 24 hours and back.

3:45 pm to 24 hours    12:30 am to 24 hours    15:45 to 12 hours    9:05 to 12 hours
3<12 pm: 3+12=15       12=12 am: 12-12=0       15>12: 15-12=3 pm    9<12: 9-0=9 am
So 15:45.              So 0:30.                So 3:45 pm.          So 9:05 am.
"""

import random

from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.time_and_units.clock_steps import to_12, to_24
from flashstep.training.tasks.time_and_units.clock_time import (
    last_half,
    sample_time,
    times_in,
    written_12,
    written_24,
)
from flashstep.training.tasks.trace_steps import Solution, sample_in_split
from flashstep.training.tasks.wording import dress

WORDINGS = ("to_24_hours", "to_12_hours")
Problem = tuple[int, bool]
"""(minutes since midnight, whether the 24-hour form is wanted)."""


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for the other form of a time."""
    problem = sample_in_split(rng, split, _sample, _subject)
    text = _subject(problem)
    question = wordings(WORDINGS[0 if problem[1] else 1], split).choose(rng).format(time=text)
    return solve(problem).example("clock_format", dress(rng, split, question), _subject(problem))


def verify(example: Example, answer_text: str) -> bool:
    """True when the last time of the answer is the right one, in the wanted form."""
    has_half, wants_half = bool(last_half(answer_text)), bool(last_half(example.key))
    return times_in(answer_text)[-1:] == times_in(example.key) and has_half == wants_half


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when the time is the question's and turned rightly."""
    times = times_in(question)
    if not times:
        return False
    to_24_hours = reasoning.startswith(f"{written_12(times[0])} ")
    return solve((times[0], to_24_hours)).is_reached_by(reasoning, answer_text, verify)


def solve(problem: Problem) -> Solution:
    """The other form."""
    time, to_24_hours = problem
    asked, told = written_24(time), written_12(time)
    heading, step = f"{asked} to 12 hours", to_12(time // 60)
    if to_24_hours:
        asked, told = told, asked
        heading, step = f"{asked} to 24 hours", to_24(time // 60)
    return Solution(f"{heading}\n{step}\nSo {told}.", f"It is {told}.", told)


def _sample(rng: random.Random) -> Problem:
    return sample_time(rng), rng.random() < 0.5


def _subject(problem: Problem) -> str:
    time, to_24_hours = problem
    return written_12(time) if to_24_hours else written_24(time)
