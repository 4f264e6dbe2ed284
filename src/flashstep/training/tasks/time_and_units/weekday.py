"""The weekday some days after or before a weekday, or of another date of the month.

    Monday +45                          Monday -3                 May 20 from May 3, Monday
    7*6=42                              0 Monday 1 Sunday ...     20>3: +
    42 0 43 1 44 2 45 3 46 4 47 5 48 6  3 Friday                  20-3=17
    45 3                                So Friday.                Monday +17
    0 Monday 1 Tuesday 2 Wednesday ...                            7*2=14
    3 Thursday                                                    14 0 15 1 16 2 17 3 ...
    So Thursday.                                                  17 3 ...

Whole weeks are taken off first. Both lists are whole, a week long, so that nothing has to be stopped in time: what
is wanted of them is looked up.
"""

import random
import re
from dataclasses import dataclass

from flashstep.training.tasks.answers import named
from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.time_and_units.calendar_names import MONTHS, WEEKDAYS
from flashstep.training.tasks.trace_steps import Solution, mentions, minus, sample_in_split
from flashstep.training.tasks.wording import dress

WORDINGS = ("weekday_after", "weekday_before", "weekday_date")
_MOST_DAYS = 100
_SHIFT = re.compile(r"(\w+day) ([+-])(\d+)\n")
_DATES = re.compile(r"(\w+) (\d+) from (\w+) (\d+), (\w+day)\n")


@dataclass(frozen=True, slots=True)
class Problem:
    """`shift` days from `day`; with a `month`, `shift` leads from the first of `dates` to the second."""

    day: str
    shift: int
    month: str = ""
    dates: tuple[int, int] = (0, 0)

    @property
    def subject(self) -> str:
        """What decides the split."""
        dates = f" {self.month} {self.dates[0]} {self.dates[1]}" if self.month else ""
        return f"{self.day} {self.shift:+}{dates}"


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for a weekday at most 100 days away."""
    problem = sample_in_split(rng, split, _sample, lambda p: p.subject)
    kind = "weekday_date" if problem.month else "weekday_after" if problem.shift > 0 else "weekday_before"
    text = wordings(kind, split).choose(rng)
    first, second = (f"{problem.month} {date}" for date in problem.dates)
    text = text.format(day=problem.day, n=abs(problem.shift), known=first, asked=second)
    return solve(problem).example("weekday", dress(rng, split, text), problem.subject)


def verify(example: Example, answer_text: str) -> bool:
    """True when the last weekday of the answer is the right one."""
    return named(answer_text, WEEKDAYS)[-1:] == [example.key.lower()]


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when day and distance are the question's and the days are counted rightly."""
    if shift := _SHIFT.match(reasoning):
        days = int(shift[3]) * (1 if shift[2] == "+" else -1)
        problem, told = Problem(shift[1], days), [shift[1], shift[3]]
    elif dates := _DATES.match(reasoning):
        second, first = int(dates[2]), int(dates[4])
        problem = Problem(dates[5], second - first, dates[1], (first, second))
        told = [dates[5], f"{dates[1]} {second}", f"{dates[1]} {first}"]
    else:
        return False
    is_asked = problem.day in WEEKDAYS and mentions(question, told)
    return is_asked and solve(problem).is_reached_by(reasoning, answer_text, verify)


def solve(problem: Problem) -> Solution:
    """The weekday."""
    sign, distance = "+" if problem.shift > 0 else "-", abs(problem.shift)
    lines = []
    if problem.month:
        first, second = problem.dates
        lines.append(f"{problem.month} {second} from {problem.month} {first}, {problem.day}")
        lines.append(f"{second}{'>' if sign == '+' else '<'}{first}: {sign}")
        lines += minus(max(problem.dates), min(problem.dates))
    lines.append(f"{problem.day} {sign}{distance}")
    weeks, rest = divmod(distance, 7)
    if weeks:
        counted = " ".join(f"{7 * weeks + step} {step}" for step in range(7))
        lines += [f"7*{weeks}={7 * weeks}", counted, f"{distance} {rest}"]
    days = [_shifted(problem.day, step if sign == "+" else -step) for step in range(7)]
    day = days[rest]
    lines += [" ".join(f"{step} {day}" for step, day in enumerate(days)), f"{rest} {day}", f"So {day}."]
    return Solution("\n".join(lines), f"It is {day}.", day)


def _shifted(day: str, days: int) -> str:
    return WEEKDAYS[(WEEKDAYS.index(day) + days) % 7]


def _sample(rng: random.Random) -> Problem:
    day = rng.choice(WEEKDAYS)
    if rng.random() < 0.3:
        month = rng.choice(tuple(MONTHS))
        first, second = rng.sample(range(1, MONTHS[month] + 1), 2)
        return Problem(day, second - first, month, (first, second))
    distance = rng.randint(2, rng.choice((14, _MOST_DAYS)))
    return Problem(day, distance if rng.random() < 0.6 else -distance)
