"""How many days lie between two dates of one month or of neighbouring months.

March 5 to March 20       March 20 to April 5       February 20 to March 3 2024
20-5=15                   March has 31              2024: 24=4*6
So 15 days.               31-20                     February has 29
                          ... (columns)             29-20
                          11+5=16                   ...
                          So 16 days.               So 12 days.
"""

import random
import re
from dataclasses import dataclass

from flashstep.training.tasks.answers import last_number
from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.time_and_units.calendar_names import MONTH_NAMES, MONTHS, is_leap, leap_line
from flashstep.training.tasks.trace_steps import Solution, mentions, minus, plus, sample_in_split
from flashstep.training.tasks.wording import dress

_HEADING = re.compile(r"([A-Z]\w+) (\d+) to ([A-Z]\w+) (\d+)(?: (\d{4}))?\n")
_STYLES = ("{month} {day}", "{month} {day}", "{day} {month}", "{month} {day}{th}")


@dataclass(frozen=True, slots=True)
class Problem:
    """Two dates in order of time; `year` is 0 where it does not matter."""

    months: tuple[str, str]
    days: tuple[int, int]
    year: int

    @property
    def subject(self) -> str:
        """What decides the split; also the heading of the trace."""
        (first, second), (start, end) = self.months, self.days
        return f"{first} {start} to {second} {end}{f' {self.year}' if self.year else ''}"


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for the days from one date to another; a February that ends in between comes with its year."""
    problem = sample_in_split(rng, split, _sample, lambda p: p.subject)
    start, end = _dates(rng, problem)
    question = wordings("days_between", split).choose(rng).format(start=start, end=end)
    return solve(problem).example("days_between", dress(rng, split, question), problem.subject)


def verify(example: Example, answer_text: str) -> bool:
    """True when the last number of the answer is the number of days."""
    return last_number(answer_text) == example.key


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when the dates are the question's and the days are added up rightly."""
    heading = _HEADING.match(reasoning)
    if not heading or not {heading[1], heading[3]} <= MONTHS.keys():
        return False
    problem = Problem((heading[1], heading[3]), (int(heading[2]), int(heading[4])), int(heading[5] or 0))
    plain = re.sub(r"(?<=\d)(?:st|nd|rd|th)\b", "", question)
    told = [heading[1], heading[2], heading[3], heading[4], heading[5] or heading[4]]
    is_asked = mentions(plain, told) and _is_possible(problem)
    return is_asked and solve(problem).is_reached_by(reasoning, answer_text, verify)


def solve(problem: Problem) -> Solution:
    """The days from the first date to the second, the second counted and the first not."""
    (month, _), (start, end) = problem.months, problem.days
    lines, result = [problem.subject], end - start
    if problem.months[0] == problem.months[1]:
        lines += minus(end, start)
    else:
        length = MONTHS[month] + (month == "February" and is_leap(problem.year))
        lines += [leap_line(problem.year)] if month == "February" else []
        lines += [f"{month} has {length}", *minus(length, start), *plus(length - start, end)]
        result = length - start + end
    told = f"{result} day{'' if result == 1 else 's'}"
    return Solution(
        "\n".join([*lines, f"So {told}."]), f"There {'is' if result == 1 else 'are'} {told}.", str(result)
    )


def _is_possible(problem: Problem) -> bool:
    (first, second), (start, end) = problem.months, problem.days
    if first == second:
        return end > start
    is_next = MONTH_NAMES.index(second) == (MONTH_NAMES.index(first) + 1) % 12
    return is_next and start <= MONTHS[first] and (problem.year > 0) == (first == "February")


def _sample(rng: random.Random) -> Problem:
    index = rng.randrange(12)
    month, following = MONTH_NAMES[index], MONTH_NAMES[(index + 1) % 12]
    if rng.random() < 0.35:
        start, end = sorted(rng.sample(range(1, MONTHS[month] + 1), 2))
        return Problem((month, month), (start, end), 0)
    if rng.random() < 0.1:  # or the years would hardly ever matter
        month, following = "February", "March"
    year = rng.randint(1990, 2060) if month == "February" else 0
    days = rng.randint(1, MONTHS[month]), rng.randint(1, MONTHS[following])
    return Problem((month, following), days, year)


def _dates(rng: random.Random, problem: Problem) -> list[str]:
    style, dates = rng.choice(_STYLES), []
    for month, day in zip(problem.months, problem.days, strict=True):
        th = "th" if 10 < day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
        text = style.format(month=month, day=day, th=th)
        comma = "" if style.startswith("{day}") else ","
        dates.append(f"{text}{comma} {problem.year}" if problem.year else text)
    return dates
