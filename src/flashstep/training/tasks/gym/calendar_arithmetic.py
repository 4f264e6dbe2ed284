"""Weekdays of 2022, how often they come between two dates, leap years. The first line says what is asked."""

import re
from datetime import date

from flashstep.training.tasks.gym.date_span import span_lines
from flashstep.training.tasks.gym.solved import Entry, Solved
from flashstep.training.tasks.time_and_units import leap_year, weekday
from flashstep.training.tasks.time_and_units.calendar_names import MONTH_NAMES, MONTHS, WEEKDAYS
from flashstep.training.tasks.trace_steps import minus, plus

_ORDINALS = ("first", "second", "third", "fourth")
_COUNTED = re.compile(r"How many (\w+day)s|occurrences of (\w+day)|times does (\w+day)")

_Work = tuple[list[str], str] | tuple[list[str], str, str]
"""The lines, the answer and, where another family asks the same, what it calls the question."""


def solve(entry: Entry) -> Solved:
    """The lines of `time_and_units/`, and new ones for the counts. On which day the months of 2022 begin is
    known by heart.

    last Tuesday                         count Tuesday from Friday     work days from Friday
    June 2022 begins on Wednesday        May 6 to May 30               May 6 to May 30
    Wednesday 1 Thursday 2 Friday 3      ... (columns: 24)             ... (columns: 24, and 24+1: 25)
    Saturday 4 Sunday 5 Monday 6         Friday 0 Saturday 1           7*3=21
    Tuesday 7                            Sunday 2 Monday 3             21+4=25
    first 7 second 14 third 21           Tuesday 4                     1 Friday: 1, 2 Saturday: 1,
    fourth 28                            ... (columns: 24-4=20)        3 Sunday: 1, 4 Monday: 2
    28+7=35                              7*2=14                        5*3=15
    June has 30, 35>30                   14+6=20                       15+2=17
    So 28.                               1+2=3                         So 17.
                                         So 3.
    """
    lines, answer, *subjects = _KINDS[entry["metadata"]["task"]](entry)
    return Solved("\n".join(lines), answer, tuple(subjects))


def _offset(entry: Entry) -> _Work:
    data = entry["metadata"]
    start = WEEKDAYS[date.fromisoformat(data["start_date"]).weekday()]
    return _from_weekday(["shift"], weekday.Problem(start, data["offset_days"]))


def _of_date(entry: Entry) -> _Work:
    day = date.fromisoformat(entry["metadata"]["target_date"])
    line, first = _beginning(day.year, day.month)
    if day.day == 1:
        return ["date", line, f"So {first}."], first
    month = MONTH_NAMES[day.month - 1]
    return _from_weekday(["date", line], weekday.Problem(first, day.day - 1, month, (1, day.day)))


def _from_first(entry: Entry) -> _Work:
    day, first = date.fromisoformat(entry["metadata"]["target_date"]), entry["metadata"]["first_day"]
    lines, shift = span_lines(day.replace(month=1, day=1), day, with_years=False)
    return _from_weekday([f"January 1 is {first}", *lines], weekday.Problem(first, shift))


def _from_weekday(before: list[str], problem: weekday.Problem) -> _Work:
    """The lines `before` and those of the family that asks for weekdays."""
    solution = weekday.solve(problem)
    return [*before, solution.reasoning], solution.key, problem.subject


def _recurring(entry: Entry) -> _Work:
    data = entry["metadata"]
    ordinal, month = data["ordinal"], MONTH_NAMES[data["month"] - 1]
    line, first = _beginning(data["year"], data["month"])
    days = _days(first, data["weekday"])
    num_weeks = _ORDINALS.index(ordinal) if ordinal in _ORDINALS else 3
    found = len(days) + 7 * num_weeks
    dates = [f"{name} {len(days) + 7 * week}" for week, name in enumerate(_ORDINALS[: num_weeks + 1])]
    lines = [f"{ordinal} {data['weekday']}", line, _numbered(days, 1), " ".join(dates)]
    if ordinal == "last":
        later, most = found + 7, MONTHS[month]
        sign = "<=>"[(later > most) - (later < most) + 1]
        lines += [f"{found}+7={later}", f"{month} has {most}, {later}{sign}{most}"]
        found = later if later <= most else found
    return [*lines, f"So {found}."], str(found)


def _count_days(entry: Entry) -> _Work:
    start, end = _dates(entry)
    counted = _COUNTED.search(entry["question"])
    assert counted is not None, "every wording names the weekday"
    asked, first = next(filter(None, counted.groups())), WEEKDAYS[start.weekday()]
    span, num = span_lines(start, end, with_years=False)
    days = _days(first, asked)
    steps = len(days) - 1
    lines = [f"count {asked} from {first}", *span, _numbered(days, 0)]
    if num < steps:
        return [*lines, f"{num}<{steps}", "So 0."], "0"
    weeks = (num - steps) // 7
    lines += minus(num, steps) if steps else []
    lines += [*_week_lines(num - steps), f"1+{weeks}={1 + weeks}"]
    return [*lines, f"So {1 + weeks}."], str(1 + weeks)


def _count_business_days(entry: Entry) -> _Work:
    start, end = _dates(entry)
    span, num = span_lines(start, end, with_years=False)
    weeks, rest = divmod(num + 1, 7)
    lines = [f"work days from {WEEKDAYS[start.weekday()]}", *span, *plus(num, 1), *_week_lines(num + 1)]
    worked, counts = 0, []
    for step in range(rest):
        day = (start.weekday() + step) % 7
        worked += day < 5
        counts.append(f"{step + 1} {WEEKDAYS[day]}: {worked}")
    total = 5 * weeks + worked
    lines += [", ".join(counts) or "no more", f"5*{weeks}={5 * weeks}", *plus(5 * weeks, worked)]
    return [*lines, f"So {total}."], str(total)


def _is_leap(entry: Entry) -> _Work:
    year = entry["metadata"]["year"]
    solution = leap_year.solve(year)
    return [solution.reasoning], solution.key.capitalize(), str(year)


_KINDS = {
    "weekday_offset": _offset,
    "weekday_of_date": _of_date,
    "weekday_of_date_from_first_date": _from_first,
    "recurring_event_day": _recurring,
    "count_days": _count_days,
    "count_business_days": _count_business_days,
    "is_leap_year": _is_leap,
}


def _dates(entry: Entry) -> tuple[date, date]:
    start, end = (date.fromisoformat(entry["metadata"][key]) for key in ("start_date", "end_date"))
    return start, end


def _beginning(year: int, month: int) -> tuple[str, str]:
    first = WEEKDAYS[date(year, month, 1).weekday()]
    return f"{MONTH_NAMES[month - 1]} {year} begins on {first}", first


def _days(first: str, last: str) -> list[str]:
    start = WEEKDAYS.index(first)
    return [WEEKDAYS[(start + i) % 7] for i in range((WEEKDAYS.index(last) - start) % 7 + 1)]


def _numbered(days: list[str], start: int) -> str:
    return " ".join(f"{day} {number}" for number, day in enumerate(days, start))


def _week_lines(num: int) -> list[str]:
    weeks, rest = divmod(num, 7)
    return [f"7*{weeks}={7 * weeks}", f"{7 * weeks}+{rest}={num}"]
