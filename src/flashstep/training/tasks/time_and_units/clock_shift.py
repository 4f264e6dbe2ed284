"""The time some hours and minutes after or before a time.

2:20 pm: 14:20        (only where the question has am or pm)
14:20 + 2:45
20+45
0+5=5: 5
2+4=6: 65
65-60=5, carry 1
2+1=3
14+3=17
17:05: 5:05 pm
So 5:05 pm.
"""

import random
from dataclasses import dataclass

from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.time_and_units.clock_time import (
    DAY_MINUTES,
    conversion_line,
    difference_lines,
    length_text,
    lengths_in,
    sample_time,
    sum_lines,
    times_in,
    written_12,
    written_24,
)
from flashstep.training.tasks.trace_steps import Solution, sample_in_split
from flashstep.training.tasks.wording import dress

WORDINGS = ("clock_after", "clock_before")
_LONGEST = 12 * 60


@dataclass(frozen=True, slots=True)
class Problem:
    """`length` minutes after (or before) `time`, asked in 12 or 24 hours."""

    time: int
    length: int
    is_after: bool
    has_halves: bool

    @property
    def subject(self) -> str:
        """What decides the split."""
        return f"{written_24(self.time)} {'+' if self.is_after else '-'} {self.length}"


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for a time up to 12 hours away."""
    problem = sample_in_split(rng, split, _sample, lambda p: p.subject)
    wording = wordings(WORDINGS[0] if problem.is_after else WORDINGS[1], split).choose(rng)
    time = (written_12 if problem.has_halves else written_24)(problem.time)
    question = dress(rng, split, wording.format(time=time, length=length_text(problem.length)))
    return solve(problem).example("clock", question, problem.subject)


def verify(example: Example, answer_text: str) -> bool:
    """True when the last time of the answer is the right one, in 12 or 24 hours."""
    return times_in(answer_text)[-1:] == times_in(example.key)


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when time and duration are the question's and the sum is right."""
    times, lengths = times_in(question), lengths_in(question)
    if not times or not lengths:
        return False
    has_halves = reasoning.split("\n")[0] == conversion_line(times[0])
    is_after = " + " in reasoning.split("\n")[int(has_halves)]
    problem = Problem(times[0], lengths[0], is_after, has_halves)
    return solve(problem).is_reached_by(reasoning, answer_text, verify)


def solve(problem: Problem) -> Solution:
    """The time asked for."""
    shift = problem.length if problem.is_after else -problem.length
    result = (problem.time + shift) % DAY_MINUTES
    lines = (sum_lines if problem.is_after else difference_lines)(problem.time, problem.length)
    told = written_24(result)
    if problem.has_halves:
        told = written_12(result)
        lines = [conversion_line(problem.time), *lines, f"{written_24(result)}: {told}"]
    return Solution("\n".join([*lines, f"So {told}."]), f"It is {told}.", told)


def _sample(rng: random.Random) -> Problem:
    length = rng.randint(5, rng.choice((59, 180, _LONGEST)))
    length -= rng.choice((0, length % 5, length % 60))
    time = sample_time(rng)
    return Problem(time, length or 60, rng.random() < 0.6, rng.random() < 0.5)
