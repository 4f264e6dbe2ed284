"""The steps of traces about times of day: hours of a 12-hour clock and back, sums and differences.

A time or a length is in minutes. Every step has its line, also where it adds or takes off 0; the hour that the
minutes carry or borrow is added to the hours that are added or taken off.
"""


def to_24(hour: int) -> str:
    """How an hour of a 12-hour clock becomes `hour`: "2<12 pm: 2+12=14", "12=12 am: 12-12=0"."""
    shown, half = (hour + 11) % 12 + 1, "am" if hour < 12 else "pm"
    step = "-12" if hour == 0 else "+12" if hour > 12 else "+0"
    return f"{shown}{'<' if shown < 12 else '='}12 {half}: {shown}{step}={hour}"


def to_12(hour: int) -> str:
    """The way back: "17>12: 17-12=5 pm", "0=0: 0+12=12 am"."""
    shown, half = (hour + 11) % 12 + 1, "am" if hour < 12 else "pm"
    step = "+12" if hour == 0 else "-12" if hour > 12 else "-0"
    verdict = "0=0" if hour == 0 else f"{hour}{'<' if hour < 12 else '>' if hour > 12 else '='}12"
    return f"{verdict}: {hour}{step}={shown} {half}"


def sum_lines(time: int, length: int) -> list[str]:
    """The lines of `time` + `length`, past midnight if need be."""
    minutes, hour, hours = time % 60 + length % 60, time // 60, length // 60
    carry = int(minutes >= 60)
    total = hour + hours + carry
    return [
        f"{_sum(time % 60, length % 60)}, {minutes:02}",
        f"{minutes}>59: {minutes}-60={minutes - 60:02}" if carry else f"{minutes:02}<60",
        f"{hours}+{carry}={hours + carry}",
        f"{_sum(hour, hours + carry)}, {total}",
        f"{total}>23: {total}-24={total - 24}" if total >= 24 else f"{total}<24",
    ]


def difference_lines(time: int, length: int) -> list[str]:
    """The lines of `time` - `length`, back past midnight if need be."""
    minute, less, hour, hours = time % 60, length % 60, time // 60, length // 60
    borrow = int(minute < less)
    lines = [_order(f"{minute:02}", f"{less:02}", 60)]
    minute += 60 * borrow
    lines += [f"{_difference(minute, less)}, {minute - less:02}", f"{hours}+{borrow}={hours + borrow}"]
    hours += borrow
    lines.append(_order(str(hour), str(hours), 24))
    hour += 24 * (hour < hours)
    return [*lines, f"{_difference(hour, hours)}, {hour - hours}"]


def _order(top: str, bottom: str, more: int) -> str:
    """Which number is the larger; a smaller one to take off from gets `more`: "10<30: 10+60=70"."""
    a, b = int(top), int(bottom)
    return f"{top}<{bottom}: {a}+{more}={a + more}" if a < b else f"{top}{'>' if a > b else '='}{bottom}"


def _sum(a: int, b: int) -> str:
    """Both columns of a + b below 100: "35+45: 5+5=10, 3+4+1=8"."""
    (tens, ones), (more_tens, more_ones) = divmod(a, 10), divmod(b, 10)
    total, carry = ones + more_ones, int(ones + more_ones > 9)
    columns = f"{ones}+{more_ones}={total}, {tens}+{more_tens}{'+1' * carry}={tens + more_tens + carry}"
    return f"{a:02}+{b:02}: {columns}"


def _difference(a: int, b: int) -> str:
    """Both columns of a - b for a >= b; a may be above 100: "80-45: 10-5=5, 8-1-4=3"."""
    (tens, ones), (less_tens, less_ones) = divmod(a, 10), divmod(b, 10)
    borrow = int(ones < less_ones)
    ones += 10 * borrow
    column = f"{tens}{'-1' * borrow}-{less_tens}={tens - borrow - less_tens}"
    return f"{a:02}-{b:02}: {ones}-{less_ones}={ones - less_ones}, {column}"
