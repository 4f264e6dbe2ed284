"""Times of day, in 24 hours ("14:05") and in 12 hours ("2:05 pm"), and lengths of time.

A time is minutes since midnight.
"""

import random
import re

DAY_MINUTES = 24 * 60
_TIME = re.compile(r"\b(\d{1,2}):(\d\d)(?: ?([ap])\.?m\b(?! or\b|/))?", re.IGNORECASE)
_IMPOSSIBLE = -1
_HOURS = r"(?<![\d.])(\d+(?:\.\d+)?) hours?"
_MINUTES = r"(?<![\d.])(\d+) minutes?"
_LENGTH = re.compile(rf"{_HOURS}(?:,? and |,? ){_MINUTES}|{_HOURS}|{_MINUTES}", re.IGNORECASE)


def written_24(time: int) -> str:
    """ "9:05", "14:20"."""
    return f"{time // 60}:{time % 60:02}"


def written_12(time: int) -> str:
    """ "9:05 am", "2:20 pm"; midnight is 12:00 am, noon 12:00 pm."""
    hour, minute = divmod(time, 60)
    return f"{(hour + 11) % 12 + 1}:{minute:02} {'am' if hour < 12 else 'pm'}"


def times_in(text: str) -> list[int]:
    """All times named in `text`, in minutes since midnight; 12-hour times need am or pm. What is no time of
    day, such as 2:65, equals none."""
    return [_minutes(int(hour), int(minute), half.lower()) for hour, minute, half in _TIME.findall(text)]


def last_half(text: str) -> str:
    """ "a", "p" or "": whether the last time of `text` is before noon, behind it, or on a clock of 24 hours."""
    found = _TIME.findall(text)
    return found[-1][2].lower() if found else ""


def _minutes(hour: int, minute: int, half: str) -> int:
    if minute > 59 or not (1 <= hour <= 12 if half else hour <= 23):
        return _IMPOSSIBLE
    return (hour % 12 + 12 * (half == "p") if half else hour) * 60 + minute


def sample_time(rng: random.Random) -> int:
    """A time of day, more often a multiple of five minutes."""
    time = rng.randrange(DAY_MINUTES)
    return time - time % 5 if rng.random() < 0.5 else time


def length_text(minutes: int) -> str:
    """ "2 hours and 45 minutes", "1 hour", "45 minutes"."""
    hours, rest = divmod(minutes, 60)
    parts = [f"{hours} hour{'' if hours == 1 else 's'}"] if hours else []
    parts += [f"{rest} minute{'' if rest == 1 else 's'}"] if rest or not hours else []
    return " and ".join(parts)


def lengths_in(text: str) -> list[int]:
    """All durations named in `text`, in minutes: "2 hours and 45 minutes" is 165, "1.5 hours" 90."""
    return [round(60 * float(m[1] or m[3] or 0)) + int(m[2] or m[4] or 0) for m in _LENGTH.finditer(text)]
