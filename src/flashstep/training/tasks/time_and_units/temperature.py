"""Celsius to Fahrenheit and back, by F = C * 9 / 5 + 32; the fifth is taken as "times 2, a tenth".

    21 C to F                    -35 C to F                      212 F to C
    21*9                         -35*9                           212>0: 212-032
    *9 1:09 2:189, 189           *9 5:45 3:315, -315             ... (columns)
    189*2                        -315*2                          180/9
    *2 9:18 8:178 1:0378, 378    *2 5:10 1:030 3:0630, -630      1|80: 0
    378/10=37.8                  -630/10=-63                     18|0: 2 18-18: 0, 02
    37.8>0: 37+32                -63<0: 32-63                    0|: 020
    ... (columns)                3<6, negative, so 63-32:        20*5
    69 .8: 69.8                  ... (columns)                   *5 0:00 2:100, 100
    So 69.8.                     So -31.                         So 100.

    5 F to C                     -4 F to C
    5>0: 05-32                   -4<0, negative: 04+32
    0<3, negative, so 32-05:     ... (columns)
    ... (columns)                -36/9=-4
    -27/9=-3                     -4*5=-20
    -3*5=-15                     So -20.
    So -15.

A number below zero has its sign on every line but in the columns. Whether 32 and a number are added or
subtracted is decided by a comparison with 0.
"""

import random
import re
from collections.abc import Callable

from flashstep.training.tasks.answers import last_number, trimmed
from flashstep.training.tasks.arithmetic import column_difference, column_sum
from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.trace_steps import Solution, over, sample_in_split, times, without_verdict
from flashstep.training.tasks.wording import dress

WORDINGS = ("celsius_to_fahrenheit", "fahrenheit_to_celsius")
_BOILING, _HOTTEST = 100, 300  # degrees Celsius
# Fives of degrees Celsius and nines of degrees Fahrenheit below zero and 32; 54 reach to where nothing is colder.
_COLD, _COLDEST = 10, 54
_SIGNED = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?")
Problem = tuple[int, str]
"""(degrees, the scale they are in: "C" or "F")."""


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for a temperature on the other scale; degrees Celsius are whole."""
    problem = sample_in_split(rng, split, _sample, _subject)
    degrees, scale = problem
    question = wordings(WORDINGS["CF".index(scale)], split).choose(rng).format(degrees=degrees)
    return solve(problem).example("temperature", dress(rng, split, question), _subject(problem))


def verify(example: Example, answer_text: str) -> bool:
    """True when the last number of the answer is the temperature."""
    return last_number(answer_text) == example.key


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when the degrees are the question's and every step is right."""
    heading = re.match(r"(-?\d+) ([CF]) to [CF]\n", reasoning)
    if not heading or heading[1] not in _SIGNED.findall(question):
        return False
    degrees, scale = int(heading[1]), heading[2]
    is_possible = (degrees >= 0 or degrees % 5 == 0) if scale == "C" else (degrees - 32) % 9 == 0
    return is_possible and solve((degrees, scale)).is_reached_by(reasoning, answer_text, verify)


def solve(problem: Problem) -> Solution:
    """The temperature on the other scale."""
    degrees, scale = problem
    lines, result = (_to_fahrenheit if scale == "C" else _to_celsius)(degrees)
    other = "F" if scale == "C" else "C"
    heading = f"{degrees} {scale} to {other}"
    answer = f"{degrees} degrees {scale} are {result} degrees {other}."
    return Solution("\n".join([heading, *lines, f"So {result}."]), answer, result)


def _to_fahrenheit(degrees: int) -> tuple[list[str], str]:
    shown = trimmed(f"{degrees * 18 / 10:.1f}")
    lines = [*_signed(times, degrees, 9), *_signed(times, degrees * 9, 2), f"{degrees * 18}/10={shown}"]
    whole, _, tenths = shown.partition(".")
    if degrees < 0:
        lines += _columns(f"{shown}<0", column_difference(32, -int(whole)))
    else:
        lines += _columns(f"{shown}{'>' if degrees else '='}0", column_sum(int(whole), 32))
    result = str(int(whole) + 32)
    if tenths:
        lines.append(f"{result} .{tenths}: {result}.{tenths}")
        result = f"{result}.{tenths}"
    return lines, result


def _to_celsius(degrees: int) -> tuple[list[str], str]:
    if degrees < 0:
        lines = _columns(f"{degrees}<0, negative", column_sum(-degrees, 32))
    else:
        lines = _columns(f"{degrees}{'>' if degrees else '='}0", column_difference(degrees, 32))
    distance = degrees - 32
    ninth = distance // 9
    return [*lines, *_signed(over, distance, 9), *_signed(times, ninth, 5)], str(ninth * 5)


def _signed(operation: Callable[[int, int], list[str]], number: int, digit: int) -> list[str]:
    """The lines of times or over; below zero both the number and the result get their sign."""
    lines = operation(abs(number), digit)
    if number < 0:
        lines[0] = f"-{lines[0]}"
        lines[-1] = re.sub(r"(\d+)$", r"-\1", lines[-1])
    return lines


def _columns(verdict: str, trace: str) -> list[str]:
    """The lines of a sum or a difference behind the verdict that it comes of; without its own result."""
    return without_verdict(f"{verdict}: {trace}")


def _sample(rng: random.Random) -> Problem:
    hottest = rng.choice((_BOILING, _BOILING, _HOTTEST))
    is_cold, cold = rng.random() < 0.15, rng.randint(1, rng.choice((_COLD, _COLD, _COLDEST)))
    if rng.random() < 0.6:
        return -5 * cold if is_cold else rng.randint(0, hottest), "C"
    return 32 + 9 * (-cold if is_cold else rng.randint(0, hottest // 5)), "F"


def _subject(problem: Problem) -> str:
    return f"{problem[0]} {problem[1]}"
