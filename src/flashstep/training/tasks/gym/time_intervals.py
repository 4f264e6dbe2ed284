"""How long it is from one time or date to another: the days, then the times from their smallest unit on."""

import re
from dataclasses import dataclass, field
from datetime import date

from flashstep.training.tasks.gym.date_span import span_lines
from flashstep.training.tasks.gym.solved import Entry, Solved, TooLong
from flashstep.training.tasks.time_and_units.calendar_names import MONTH_NAMES
from flashstep.training.tasks.trace_steps import minus, plus

_DATE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)|(\d\d)/(\d\d)/(\d{4})|(\d\d) ([A-Z][a-z]+) (\d{4})|([A-Z][a-z]+) (\d\d),? (\d{4})"
)
_TIME = re.compile(r"\b\d\d:\d\d(?::\d\d(?:\.\d{3})?)?")
_ZONE = re.compile(r"(?<= )[+-]\d{4}\b")
# From the largest: how many of a unit make one of the next larger one.
_UNITS = {"hours": 24, "minutes": 60, "seconds": 60, "ms": 1000}
_SHORT_MONTHS = [month[:3] for month in MONTH_NAMES]


@dataclass(slots=True)
class _Work:
    """The lines so far, the days, and of the clock what is known, from the right."""

    lines: list[str] = field(default_factory=list)
    days: int = 0
    clock: str = ""

    def shift_days(self, note: str, step: int) -> None:
        """Write a note, and that a day goes or comes."""
        self.lines.append(f"{note}, days {self.days}{step:+}={self.days + step}")
        self.days += step


def solve(entry: Entry) -> Solved:
    """The days between the dates; then, unit by unit, a difference and the clock so far; hours also take the
    difference of the time zones. TooLong where the end comes before the start, and where the library, which reads
    no time behind a weekday in brackets, is more than a day off.

    May 11 to May 14 2291
    14-11=3
    00:45 +0300 - 23:41 -0500
    minutes: 45 41
    45-41
    ... (columns: 4)
    clock 04
    hours: 00 23
    0<23, 0+24=24, days 3-1=2
    24-23
    ... (columns: 1)
    zone: -5-3=-8
    1<8, 1+24=25, days 2-1=1
    25-8
    ... (columns: 17)
    clock 17:04
    So 1 days, 17:04.
    """
    question, data = entry["question"], entry["metadata"]
    dates, times = [_date(*m.groups()) for m in _DATE.finditer(question)], _TIME.findall(question)
    work = _Work()
    if dates:
        work.lines, work.days = span_lines(dates[0], dates[1], with_years=True)
    days = work.days
    if times:
        _take_times(work, times, _ZONE.findall(question), has_seconds="SS" in data["expected_format"])
    is_off = "(%A) %H" in data["format"] and work.days - days not in (-1, 0)
    if work.days < 0 or is_off:
        raise TooLong("the end comes before the start, or the library is a day off")
    parts = [f"{work.days} days"] if dates else []
    answer = ", ".join([*parts, work.clock] if times else parts)
    return Solved("\n".join([*work.lines, f"So {answer}."]), answer)


def _take_times(work: _Work, times: list[str], zones: list[str], has_seconds: bool) -> None:
    """Start and end time, their zones if they have any."""
    start, end = (" ".join(filter(None, pair)) for pair in zip(times, zones or ["", ""], strict=True))
    work.lines.append(f"{end} - {start}")
    tops, bottoms = (re.split(r"[:.]", time) for time in reversed(times))
    if has_seconds and len(tops) == 2:
        work.clock = "00"
        work.lines.append("no seconds: clock 00")
    borrow = 0
    for unit, top, bottom in reversed(list(zip(_UNITS, tops, bottoms, strict=False))):
        work.lines.append(f"{unit}: {top} {bottom}")
        if unit == "seconds" and not has_seconds:
            borrow = int(int(top) < int(bottom))
            work.lines.append(f"{int(top)}<{int(bottom)}, borrow 1" if borrow else "borrow 0")
            continue
        rest, borrow = _unit_difference(work, unit, int(top), int(bottom), borrow)
        if zones and unit == "hours":
            rest = _in_zone(work, rest, *(int(zone[:3]) for zone in zones))
        work.clock = f"{rest:0{3 if unit == 'ms' else 2}}{_mark(unit, work.clock)}{work.clock}"
        work.lines.append(f"clock {work.clock}{', borrow 1' if borrow and unit != 'hours' else ''}")


def _unit_difference(work: _Work, unit: str, top: int, bottom: int, borrow: int) -> tuple[int, int]:
    """The difference, and whether it borrows one of the next larger unit."""
    if borrow:
        work.lines.append(f"{bottom}+1={bottom + 1}")
    bottom += borrow
    is_less, more = top < bottom, top + _UNITS[unit]
    if is_less:
        note = f"{top}<{bottom}, {top}+{_UNITS[unit]}={more}"
        if unit == "hours":
            work.shift_days(note, -1)
        else:
            work.lines.append(note)
        top = more
    work.lines += minus(top, bottom)
    return top - bottom, int(is_less)


def _in_zone(work: _Work, hours: int, start: int, end: int) -> int:
    """The hours with the difference of the zones, as a part of a day."""
    shift = start - end
    work.lines.append(f"zone: {start}-{end if end >= 0 else f'({end})'}={shift}")
    if shift < 0:
        if hours < -shift:
            work.shift_days(f"{hours}<{-shift}, {hours}+24={hours + 24}", -1)
            hours += 24
        work.lines += minus(hours, -shift)
    elif shift > 0:
        work.lines += plus(hours, shift)
        if hours + shift >= 24:
            work.shift_days(f"{hours + shift}-24={hours + shift - 24}", 1)
    return (hours + shift) % 24


def _mark(unit: str, behind: str) -> str:
    return "" if not behind else "." if unit == "seconds" and len(behind) == 3 else ":"


def _date(*groups: str | None) -> date:
    """A date in the order of one of the four forms of `_DATE`."""
    found = [group for group in groups if group]
    forms = ("ymd", "mdy", "dmy", "mdy")
    form = forms[next(i for i, group in enumerate(groups) if group) // 3]
    value = dict(zip(form, found, strict=True))
    month = value["m"]
    number = int(month) if month.isdigit() else _SHORT_MONTHS.index(month[:3]) + 1
    return date(int(value["y"]), number, int(value["d"]))
