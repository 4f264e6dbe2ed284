"""Days of the week, months and their lengths, leap years."""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = {
    "January": 31, "February": 28, "March": 31, "April": 30, "May": 31, "June": 30, "July": 31,
    "August": 31, "September": 30, "October": 31, "November": 30, "December": 31,
}  # fmt: skip
MONTH_NAMES = tuple(MONTHS)


def is_leap(year: int) -> bool:
    """The Gregorian rule: divisible by 4, and by 400 where it ends in 00."""
    return year % (400 if year % 100 == 0 else 4) == 0


def leap_line(year: int) -> str:
    """The step that decides it: "2023: 23=4*5+3", "1900 ends in 00: 19=4*4+3", "2024: 24=4*6"."""
    head, tested = (f"{year} ends in 00", year // 100) if year % 100 == 0 else (f"{year}", year % 100)
    quotient, rest = divmod(tested, 4)
    return f"{head}: {tested}=4*{quotient}{f'+{rest}' if rest else ''}"
