"""Word problems of one or two operations: say of each number what it is there for, write them as a formula, then
work it out.

    > On Monday
    > Ben had 12 apples: 12
    > He got 15 more and: + 15
    > 4 of them went to Ann: - 4
    12+15-4
    12+15
    2+5=7: 7
    1+1=2: 27
    27-04
    ...
    So 23.

The story is quoted up to its last number, so that none is passed over: a quote goes on where the last one ended,
and ends with its clause or in front of the next number. What a number is there for can mostly be told from it.
"""

import random
import re
from collections.abc import Callable
from itertools import permutations

from flashstep.training.tasks.answers import last_number
from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.people import is_woman, sample_names
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.trace_steps import Solution, minus, plus, sample_in_split, times
from flashstep.training.tasks.wording import dress

# Kind: the formula over the three numbers of the story; `c` is 0 where it does not occur.
FORMULAS = {
    "change": "{a}+{b}-{c}",
    "left": "{a}-{b}-{c}",
    "groups": "{b}*{a}",
    "share": "{a}/{b}",
    "more": "{a}+({a}+{b})",
    "times": "{a}+{a}*{b}",
    "cost": "{c}-{b}*{a}",
}
# What each of the three is there for; the trace has it in front of the number.
_ROLES = {
    "change": {"a": "", "b": "+ ", "c": "- "},
    "left": {"a": "", "b": "- ", "c": "- "},
    "groups": {"a": "times ", "b": "each "},
    "share": {"a": "", "b": "/ "},
    "more": {"a": "", "b": "more "},
    "times": {"a": "", "b": "as many "},
    "cost": {"a": "times ", "b": "each ", "c": "from "},
}
_FIELD = re.compile(r"\{([abc])\}")
_NUMBER = re.compile(r"\d+")
# A clause, or what of it comes before a second number: words with at most one number among them.
_PART = re.compile(r"[^\d.,;:?!]*(?:\d+[^\d.,;:?!]*)?")
WORDINGS = tuple(f"story_{kind}" for kind in FORMULAS)
THINGS = (
    "apples", "oranges", "pears", "plums", "cherries", "nuts", "cookies", "candies", "muffins", "pies",
    "eggs", "books", "pens", "pencils", "coins", "stamps", "cards", "balls", "marbles", "shells",
    "stones", "flowers", "roses", "toys", "dolls", "cars", "boats", "kites", "hats", "ribbons",
    "buttons", "beads", "stickers", "photos", "tickets", "bottles", "cups", "plates", "spoons", "boxes",
    "bricks", "tiles", "keys", "magnets", "crayons", "brushes", "puzzles", "lemons", "bananas",
    "carrots",
)  # fmt: skip
Problem = tuple[str, int, int, int]
"""(kind, a, b, c)."""


def generate(rng: random.Random, split: Split) -> Example:
    """Tell a story with two or three numbers and ask for the result."""
    problem = sample_in_split(rng, split, _sample, _subject)
    kind, a, b, c = problem
    name, other = sample_names(rng, 2)
    wording = wordings(f"story_{kind}", split).choose(rng)
    person = name if "{name}" in wording else other
    he, things = "she" if is_woman(person) else "he", rng.choice(THINGS)
    text = wording.format(a=a, b=b, c=c, name=name, other=other, he=he, things=things)
    question = dress(rng, split, text)
    order = _FIELD.findall(wording)
    places = {field: order.index(field) for field in order}
    return solve(problem, question, places).example("stories", question, _subject(problem))


def verify(example: Example, answer_text: str) -> bool:
    """True when the last number of the answer is the result."""
    return last_number(answer_text) == example.key


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when the formula has the question's numbers, each for what it is said to be, and is worked out
    rightly."""
    formula = next((line for line in reasoning.split("\n") if not line.startswith("> ")), "")
    problem = _read(formula)
    if problem is None:
        return False
    numbers, fields = _NUMBER.findall(question), tuple(_ROLES[problem[0]])
    asked = [str(dict(zip("abc", problem[1:], strict=True))[field]) for field in fields]
    return any(
        solve(problem, question, dict(zip(fields, places, strict=True))).is_reached_by(
            reasoning, answer_text, verify
        )
        for places in permutations(range(len(numbers)), len(fields))
        if [numbers[place] for place in places] == asked
    )


def solve(problem: Problem, question: str, places: dict[str, int]) -> Solution:
    """The result of the story's formula. places: which of the question's numbers a, b and c are."""
    kind, a, b, c = problem
    steps, result = _STEPS[kind](a, b, c)
    roles = {place: _ROLES[kind][field] for field, place in places.items()}
    quotes = _quotes(question, roles)
    lines = [*quotes, FORMULAS[kind].format(a=a, b=b, c=c), *steps, f"So {result}."]
    return Solution("\n".join(lines), f"The answer is {result}.", str(result))


def _quotes(question: str, roles: dict[int, str]) -> list[str]:
    """The question part by part, up to the last of the numbers that have a role. roles: by a number's place among
    those of the question."""
    quotes, place = [], 0
    for part in _PART.finditer(question):
        words = part[0].strip()
        if not re.search(r"\w", words):
            continue
        number = _NUMBER.search(words)
        role = roles.get(place) if number else None
        quotes.append(f"> {words}" if number is None or role is None else f"> {words}: {role}{number[0]}")
        place += number is not None
        if place > max(roles):
            break
    return quotes


def _change(a: int, b: int, c: int) -> tuple[list[str], int]:
    return plus(a, b) + minus(a + b, c), a + b - c


def _left(a: int, b: int, c: int) -> tuple[list[str], int]:
    return minus(a, b) + minus(a - b, c), a - b - c


def _groups(a: int, b: int, _: int) -> tuple[list[str], int]:
    return times(b, a), a * b


def _share(a: int, b: int, _: int) -> tuple[list[str], int]:
    return [f"{b}*{a // b}={a}"], a // b


def _more(a: int, b: int, _: int) -> tuple[list[str], int]:
    return plus(a, b) + plus(a, a + b), a + a + b


def _times(a: int, b: int, _: int) -> tuple[list[str], int]:
    return times(a, b) + plus(a, a * b), a + a * b


def _cost(a: int, b: int, c: int) -> tuple[list[str], int]:
    return times(b, a) + minus(c, a * b), c - a * b


_STEPS: dict[str, Callable[[int, int, int], tuple[list[str], int]]] = {
    "change": _change, "left": _left, "groups": _groups, "share": _share, "more": _more, "times": _times,
    "cost": _cost,
}  # fmt: skip


def _read(formula: str) -> Problem | None:
    for kind, template in FORMULAS.items():
        found: list[str] = re.findall(r"\d+", formula)
        order = re.findall(r"\{(\w)\}", template)
        if len(found) != len(order):
            continue
        numbers = {"c": 0} | {name: int(number) for name, number in zip(order, found, strict=True)}
        if template.format(**numbers) == formula and _is_possible(kind, numbers):
            return kind, numbers["a"], numbers["b"], numbers["c"]
    return None


def _is_possible(kind: str, numbers: dict[str, int]) -> bool:
    """False where a step would go below zero, leave a rest or multiply by more than one digit."""
    a, b, c = (numbers[name] for name in "abc")
    if kind == "share":
        return b > 0 and a % b == 0
    digit = {"groups": a, "cost": a, "times": b}.get(kind, 0)
    lowest = {"change": a + b - c, "left": min(a - b, a - b - c), "cost": c - a * b}.get(kind, 0)
    return digit < 10 and lowest >= 0


def _sample(rng: random.Random) -> Problem:
    kind = rng.choice(tuple(FORMULAS))
    if kind == "share":
        b, quotient = rng.randint(2, 9), rng.randint(2, 12)
        return kind, b * quotient, b, 0
    if kind in ("groups", "cost"):
        a, b = rng.randint(2, 9), rng.randint(2, 60 if kind == "groups" else 25)
        return kind, a, b, a * b + rng.choice((0, rng.randint(1, 50))) if kind == "cost" else 0
    if kind in ("more", "times"):
        return kind, rng.randint(2, 60), rng.randint(2, 60 if kind == "more" else 5), 0
    most = rng.choice((10, 20, 100))
    a, b = rng.randint(2, most), rng.randint(1, most)
    if kind == "change":
        return kind, a, b, rng.randint(1, a + b)
    a += b + 1
    return kind, a, b, rng.randint(1, a - b)


def _subject(problem: Problem) -> str:
    return " ".join(map(str, problem))
