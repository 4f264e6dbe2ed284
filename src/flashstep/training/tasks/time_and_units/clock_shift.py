"""The time some hours and minutes after or before a time.

    2:45 after 2:20 pm                  7:30 before 6:10
    2<12 pm: 2+12=14                    10<30: 10+60=70
    20+45: 0+5=5, 2+4=6, 65             70-30: 0-0=0, 7-3=4, 40
    65>59: 65-60=05                     7+1=8
    2+1=3                               6<8: 6+24=30
    14+03: 4+3=7, 1+0=1, 17             30-08: 10-8=2, 3-1-0=2, 22
    17<24                               So 22:40.
    17>12: 17-12=5 pm
    So 5:05 pm.

The first line has the duration, the direction and the time. Hours become those of a day of 24 and back only
where the question has am or pm. Every step has its line, also where it adds or takes off 0; the hour that the
minutes carry or borrow is added to the hours of the duration.
"""

import random
from dataclasses import dataclass

from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.time_and_units.clock_steps import difference_lines, sum_lines, to_12, to_24
from flashstep.training.tasks.time_and_units.clock_time import (
    DAY_MINUTES,
    last_half,
    length_text,
    lengths_in,
    sample_time,
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
    """True when the last time of the answer is the right one, in 12 or 24 hours. Where neither the question
    nor the answer has am or pm and the question's hours do not tell which clock is meant, either will do."""
    found, [right] = times_in(answer_text)[-1:], times_in(example.key)
    asked = times_in(example.question)
    is_open = asked and not last_half(example.question) and not last_half(answer_text)
    if is_open and all(time < 13 * 60 for time in asked):
        return found in ([right], [right % (12 * 60)], [right % (12 * 60) + 12 * 60])
    return found == [right]


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when time and duration are the question's and the sum is right."""
    times, lengths = times_in(question), lengths_in(question)
    if not times or not lengths:
        return False
    heading = reasoning.split("\n")[0]
    problem = Problem(times[0], lengths[0], " after " in heading, heading.endswith("m"))
    return solve(problem).is_reached_by(reasoning, answer_text, verify)


def solve(problem: Problem) -> Solution:
    """The time asked for."""
    shift = problem.length if problem.is_after else -problem.length
    result = (problem.time + shift) % DAY_MINUTES
    write = written_12 if problem.has_halves else written_24
    direction = "after" if problem.is_after else "before"
    lines = [f"{written_24(problem.length)} {direction} {write(problem.time)}"]
    lines += [to_24(problem.time // 60)] if problem.has_halves else []
    lines += (sum_lines if problem.is_after else difference_lines)(problem.time, problem.length)
    lines += [to_12(result // 60)] if problem.has_halves else []
    told = write(result)
    return Solution("\n".join([*lines, f"So {told}."]), f"It is {told}.", told)


def _sample(rng: random.Random) -> Problem:
    length = rng.randint(5, rng.choice((59, 180, _LONGEST)))
    length -= rng.choice((0, length % 5, length % 60))
    time = sample_time(rng)
    return Problem(time, length or 60, rng.random() < 0.6, rng.random() < 0.5)
