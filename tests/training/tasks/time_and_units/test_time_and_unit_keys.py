"""The keys of time and units against Python's calendar, clock and exact fractions."""

import calendar
import random
import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from flashstep.training.tasks.base import Example
from flashstep.training.tasks.time_and_units import clock_format, clock_shift, clock_time, temperature, units
from flashstep.training.tasks.time_and_units.calendar_names import MONTH_NAMES, MONTHS, WEEKDAYS
from flashstep.training.tasks.time_and_units.families import TIME_AND_UNIT_FAMILIES
from flashstep.training.tasks.trace_steps import minus, over, plus, times

SIZES = {  # in meters, grams, liters, US cups, seconds, months
    "millimeter": "1/1000", "centimeter": "1/100", "decimeter": "1/10", "meter": 1, "kilometer": 1000,
    "inch": "254/10000", "foot": "3048/10000", "yard": "9144/10000", "milligram": "1/1000", "gram": 1,
    "kilogram": 1000, "ton": 10**6, "ounce": 1, "pound": 16, "milliliter": "1/1000",
    "centiliter": "1/100", "deciliter": "1/10", "liter": 1, "cup": 1, "pint": 2, "quart": 4, "gallon": 16,
    "second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400, "month": 1, "year": 12,
    "decade": 120, "century": 1200,
}  # fmt: skip


def examples(family: str, num: int = 300) -> list[Example]:
    rng = random.Random(f"time:{family}")
    return [TIME_AND_UNIT_FAMILIES[family].generate(rng, "train") for _ in range(num)]


def test_weekdays_agree_with_datetime():
    for example in examples("weekday", 600):
        day, shift, *dates = example.subject.split()
        start = date(2023, 1, 2) + timedelta(WEEKDAYS.index(day))  # 2 January 2023 was a Monday
        assert (start + timedelta(int(shift))).strftime("%A") == example.key
        if dates:
            month, first, second = MONTH_NAMES.index(dates[0]) + 1, int(dates[1]), int(dates[2])
            year = next(y for y in range(2000, 2028) if date(y, month, first).strftime("%A") == day)
            assert date(year, month, second).strftime("%A") == example.key


def test_days_between_agree_with_datetime():
    leaps = set()
    for example in examples("days_between", 600):
        first, start, _, second, end, *year = example.subject.split()
        months = MONTH_NAMES.index(first) + 1, MONTH_NAMES.index(second) + 1
        years = int(year[0]) if year else 2023
        begin = date(years, months[0], int(start))
        finish = date(years + (months[1] < months[0]), months[1], int(end))
        assert str((finish - begin).days) == example.key, example
        leaps |= {calendar.isleap(years)} if year else set()
    assert leaps == {True, False}


def test_month_lengths_are_those_of_a_common_year():
    assert list(MONTHS.values()) == [calendar.monthrange(2023, month)[1] for month in range(1, 13)]


def test_leap_years_agree_with_the_calendar():
    keys = []
    for example in examples("leap_year"):
        assert calendar.isleap(int(example.subject)) == (example.key == "yes")
        keys.append((example.subject.endswith("00"), example.key))
    assert set(keys) == {(True, "yes"), (True, "no"), (False, "yes"), (False, "no")}
    assert 0.35 < sum(key == "yes" for _, key in keys) / len(keys) < 0.65


def clock(text: str) -> datetime:
    return datetime.strptime(text, "%I:%M %p" if text.endswith("m") else "%H:%M")


def test_shifted_times_agree_with_datetime():
    seen = set()
    for example in examples("clock"):
        start, sign, minutes = example.subject.split()
        shift = timedelta(minutes=int(minutes)) * (1 if sign == "+" else -1)
        expected = clock(start) + shift
        assert clock(example.key).time() == expected.time(), example
        seen.add((sign, example.key.endswith("m"), expected.date() == clock(start).date()))
    assert len(seen) == 8, "after and before, with and without am and pm, past midnight or not"


def test_durations_agree_with_datetime():
    for example in examples("clock_duration"):
        start, end = example.subject.split(" to ")
        (length,) = clock_time.lengths_in(example.key)
        assert clock(end) - clock(start) == timedelta(minutes=length)


def test_the_two_forms_of_a_time_agree_with_datetime():
    forms = set()
    for example in examples("clock_format"):
        assert clock(example.subject) == clock(example.key)
        assert example.subject.endswith("m") != example.key.endswith("m")
        forms.add(example.key.endswith("m"))
    assert forms == {True, False}


@pytest.mark.parametrize("minute", [0, 30, 60, 719, 720, 750, 1439])
def test_times_are_written_and_read_back(minute):
    for text in (clock_time.written_12(minute), clock_time.written_24(minute)):
        assert clock_time.times_in(f"It is {text}.") == [minute]
    assert clock_time.lengths_in(f"It takes {clock_time.length_text(minute)}.") == [minute]


def test_the_wanted_form_of_a_time_matters():
    example = Example("clock_format", "", "", "", "3:45 pm", "")
    assert clock_format.verify(example, "It is 3:45 p.m.")
    assert not clock_format.verify(example, "It is 15:45.")
    assert not clock_format.verify(example, "It is 3:45 am.")
    assert clock_format.verify(example, 'It is "3:45 pm".')
    assert clock_format.verify(example, "**It is 3:45 pm**")


@pytest.mark.parametrize(
    ("question", "key", "answer", "is_right"),
    [
        ("2:20 pm plus 45 minutes?", "3:05 pm", "It is 3:05 pm.", True),
        ("2:20 pm plus 45 minutes?", "3:05 pm", "It is 2:65 pm.", False),
        ("2:20 pm plus 45 minutes?", "3:05 pm", "It is 15:05.", True),
        ("2:20 pm plus 45 minutes?", "3:05 pm", "It is 3:05.", False),
        ("7 hours forward from 7:11?", "14:11", "It is 2:11.", True),
        ("7 hours forward from 7:11?", "14:11", "It is 2:11 am.", False),
        ("7 hours forward from 17:11?", "0:11", "It is 12:11.", False),
        ("3 hours back from 2:30?", "23:30", "It is 11:30.", True),
    ],
)
def test_a_time_without_halves_is_read_as_the_question_means_it(question, key, answer, is_right):
    assert clock_shift.verify(Example("clock", question, "", "", key, ""), answer) is is_right


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("4.5 hours", [270]),
        ("1.5 hours", [90]),
        ("5 hours", [300]),
        ("2 hours and 45 minutes", [165]),
        ("45 minutes", [45]),
    ],
)
def test_hours_may_be_decimals(text, minutes):
    assert clock_time.lengths_in(f"It takes {text}.") == minutes


def test_units_agree_with_their_sizes():
    asked = set()
    for example in examples("units", 1500):
        amount, unit, wanted = example.subject.split()
        assert Fraction(example.key) == Fraction(amount) * Fraction(SIZES[unit]) / Fraction(SIZES[wanted])
        asked.add((unit, wanted))
    assert {frozenset(pair) for pair in asked} == {frozenset((a, b)) for a, b, _ in units.CONVERSIONS}
    assert len(asked) == 2 * len(units.CONVERSIONS) - 1, "hours out of seconds are not asked for"


def test_a_unit_that_was_not_asked_for_is_refused():
    question = "How many centimeters are in 3 meters?"
    right, wrong = (
        units.solve(units.Problem("3", "meter", wanted)) for wanted in ("centimeter", "millimeter")
    )
    assert units.check_trace(question, right.reasoning, right.answer)
    assert not units.check_trace(question, wrong.reasoning, wrong.answer)


def test_temperatures_agree_with_the_formula():
    for example in examples("temperature", 600):
        degrees, scale = example.subject.split()
        celsius, fahrenheit = (degrees, example.key) if scale == "C" else (example.key, degrees)
        assert Fraction(fahrenheit) == Fraction(celsius) * 9 / 5 + 32, example


def test_every_whole_temperature_is_right():
    for degrees in (*range(-50, 0, 5), *range(301)):
        there = temperature.solve((degrees, "C")).key
        assert Fraction(there) == Fraction(degrees) * 9 / 5 + 32
        if degrees % 5 == 0:
            assert temperature.solve((int(there), "F")).key == str(degrees)


def test_a_temperature_that_lost_its_sign_is_refused():
    right, wrong = (temperature.solve((degrees, "C")) for degrees in (-35, 35))
    assert temperature.check_trace("What is -35°C in °F?", right.reasoning, right.answer)
    assert not temperature.check_trace("What is -35°C in °F?", wrong.reasoning, wrong.answer)


def test_change_agrees_with_decimals():
    for example in examples("change"):
        paid, price = (Decimal(cents) / 100 for cents in example.subject.split())
        assert Decimal(example.key) == paid - price >= 0
        assert Decimal(re.findall(r"\d+(?:\.\d\d)?", example.answer)[0]) == paid - price


def test_small_operations_end_in_their_results():
    rng = random.Random(3)
    for _ in range(500):
        a, b, digit = rng.randrange(3000), rng.randrange(3000), rng.randint(1, 9)
        a, b = max(a, b), min(a, b)
        for lines, result in (
            (plus(a, b), a + b),
            (minus(a, b), a - b),
            (times(a, digit), a * digit),
            (over(a * digit, digit), a),
        ):
            assert int(re.findall(r"\d+", lines[-1])[-1]) == result, lines
