"""Celsius to Fahrenheit and back, by F = C * 9 / 5 + 32; the fifth is taken as "times 2, a tenth".

    21 C to F                    212 F to C
    21*9                         212-032
    *9 1:09 2:189, 189           ... (columns)
    189*2                        180/9
    *2 9:18 8:178 1:0378, 378    1<9: 0
    378/10=37.8                  18: 2 18-18: 0 00, 02
    37+32                        0<9: 020
    ... (columns)                20*5
    69 and .8: 69.8              *5 0:00 2:100, 100
    So 69.8.                     So 100.

Below zero the sign is put aside and comes back at the end.
"""

import random
import re

from flashstep.training.tasks.answers import last_number, trimmed
from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.trace_steps import (
    Solution,
    mentions,
    minus,
    over,
    plus,
    sample_in_split,
    times,
)
from flashstep.training.tasks.wording import dress

WORDINGS = ("celsius_to_fahrenheit", "fahrenheit_to_celsius")
_BOILING, _HOTTEST = 100, 300  # degrees Celsius
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
    if not heading or not mentions(question, [heading[1]]):
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
    size = abs(degrees)
    above = trimmed(f"{size * 18 / 10:.1f}")
    lines = [*times(size, 9), *times(size * 9, 2), f"{size * 18}/10={above}"]
    whole, _, tenths = above.partition(".")
    if degrees < 0:
        return _below(lines, int(whole))
    lines += plus(int(whole), 32)
    result = str(int(whole) + 32)
    if tenths:
        lines.append(f"{result} and .{tenths}: {result}.{tenths}")
        result = f"{result}.{tenths}"
    return lines, result


def _below(lines: list[str], distance: int) -> tuple[list[str], str]:
    """32 minus `distance`, which may be the larger."""
    if distance <= 32:
        return lines + minus(32, distance), str(32 - distance)
    result = f"-{distance - 32}"
    return [*lines, f"{distance}>32, negative", *minus(distance, 32), f"minus {result[1:]}"], result


def _to_celsius(degrees: int) -> tuple[list[str], str]:
    if degrees < 0:
        lines, distance = plus(-degrees, 32), 32 - degrees
    elif degrees < 32:
        lines, distance = [f"{degrees}<32, negative", *minus(32, degrees)], 32 - degrees
    else:
        lines, distance = minus(degrees, 32), degrees - 32
    ninth = distance // 9
    lines += [*over(distance, 9), *times(ninth, 5)]
    sign = "-" if degrees < 32 else ""
    return [*lines, f"minus {ninth * 5}"] if sign else lines, f"{sign}{ninth * 5}"


def _sample(rng: random.Random) -> Problem:
    hottest = rng.choice((_BOILING, _HOTTEST))
    is_cold = rng.random() < 0.15
    if rng.random() < 0.6:
        return -5 * rng.randint(1, 10) if is_cold else rng.randint(0, hottest), "C"
    return 32 + 9 * (-rng.randint(1, 10) if is_cold else rng.randint(0, hottest // 5)), "F"


def _subject(problem: Problem) -> str:
    return f"{problem[0]} {problem[1]}"
