"""The days from one date to a later one, month by month."""

from datetime import date

from flashstep.training.tasks.time_and_units.calendar_names import MONTH_NAMES, MONTHS, is_leap, leap_line
from flashstep.training.tasks.trace_steps import minus, plus


def span_lines(start: date, end: date, with_years: bool) -> tuple[list[str], int]:
    """The lines and the number of days. Without years, no February of a leap year is passed.

    May 11 to July 8 2024
    May has 31
    31-11
    ... (columns)
    June has 30
    20+30
    ... (columns)
    50+8
    ... (columns)
    """
    lines = [_heading(start, end, with_years)]
    if (start.year, start.month) == (end.year, end.month):
        return [*lines, *minus(end.day, start.day)], end.day - start.day
    length, work = _length(start.year, start.month, with_years)
    lines += [*work, *minus(length, start.day)]
    total, (year, month) = length - start.day, _next(start.year, start.month)
    while (year, month) != (end.year, end.month):
        length, work = _length(year, month, with_years)
        lines += [*work, *plus(total, length)]
        total += length
        year, month = _next(year, month)
    return [*lines, *plus(total, end.day)], total + end.day


def _heading(start: date, end: date, with_years: bool) -> str:
    first, last = (f"{MONTH_NAMES[day.month - 1]} {day.day}" for day in (start, end))
    if with_years and start.year != end.year:
        first += f" {start.year}"
    return f"{first} to {last}{f' {end.year}' if with_years else ''}"


def _length(year: int, month: int, with_years: bool) -> tuple[int, list[str]]:
    name = MONTH_NAMES[month - 1]
    length = MONTHS[name] + (month == 2 and is_leap(year))
    return length, [*([leap_line(year)] if month == 2 and with_years else []), f"{name} has {length}"]


def _next(year: int, month: int) -> tuple[int, int]:
    return (year, month + 1) if month < 12 else (year + 1, 1)
