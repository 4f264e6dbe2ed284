"""How long it is from one time of a day to a later one: the difference of the two times.

14:20 - 9:45                       2:20 pm - 9:45 am
20<45: 20+60=80                    2<12 pm: 2+12=14
80-45: 10-5=5, 8-1-4=3, 35         9<12 am: 9+0=9
9+1=10                             20<45: 20+60=80
14>10                              ...
14-10: 4-0=4, 1-1=0, 4
So 4 hours and 35 minutes.
"""

import random

from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.time_and_units.clock_steps import difference_lines, to_24
from flashstep.training.tasks.time_and_units.clock_time import (
    length_text,
    lengths_in,
    sample_time,
    times_in,
    written_12,
    written_24,
)
from flashstep.training.tasks.trace_steps import Solution, sample_in_split
from flashstep.training.tasks.wording import dress

Problem = tuple[int, int, bool]
"""(start, end, whether the question has am and pm); start and end in minutes since midnight."""


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for the time between two times of one day."""
    start, end, has_halves = problem = sample_in_split(rng, split, _sample, _subject)
    write = written_12 if has_halves else written_24
    question = wordings("clock_duration", split).choose(rng).format(start=write(start), end=write(end))
    return solve(problem).example("clock_duration", dress(rng, split, question), _subject(problem))


def verify(example: Example, answer_text: str) -> bool:
    """True when the last duration of the answer is the right one."""
    return lengths_in(answer_text)[-1:] == lengths_in(example.key)


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when the times are the question's and the difference is right."""
    times = sorted(times_in(question))
    if len(times) != 2 or times[0] == times[1]:
        return False
    problem = times[0], times[1], reasoning.split("\n")[0].endswith("m")
    return solve(problem).is_reached_by(reasoning, answer_text, verify)


def solve(problem: Problem) -> Solution:
    """The duration in hours and minutes."""
    start, end, has_halves = problem
    told = length_text(end - start)
    write = written_12 if has_halves else written_24
    lines = [f"{write(end)} - {write(start)}"]
    lines += [to_24(end // 60), to_24(start // 60)] if has_halves else []
    lines += difference_lines(end, start)
    return Solution("\n".join([*lines, f"So {told}."]), f"It takes {told}.", told)


def _sample(rng: random.Random) -> Problem:
    while True:
        start, end = sorted((sample_time(rng), sample_time(rng)))
        if start < end:
            return start, end, rng.random() < 0.5


def _subject(problem: Problem) -> str:
    return f"{written_24(problem[0])} to {written_24(problem[1])}"
