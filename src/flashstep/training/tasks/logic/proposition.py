"""The value of a formula of and, or, not, implies: write down the values and the formula, put the values in,
then work out one bracket a line.

p T q F r T
p and (q or not r)
T and (F or not T)
T and (F or F)
T and F
F
So it is false.

T is true, F is false: signs as short as the letters they replace, so that the two lines are equally long.
"""

import random
import re

from flashstep.training.tasks.answers import named
from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.people import enumerated
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.trace_steps import Solution, sample_in_split
from flashstep.training.tasks.wording import dress

_VARIABLES = "pqrs"
_OPERATORS = ("and", "and", "or", "or", "implies", "xor")
_NUM_OPERATORS, _OPERATOR_SHARES = (1, 2, 3, 4), (3, 5, 4, 2)
_EQUALS = (" is ", " is ", " = ", "=", ": ")
_VALUE = re.compile(r"\b([p-s])(?: is | = |=|: )(true|false)\b")
_SIGNS = {"true": "T", "false": "F"}
_WORDS = {sign: word for word, sign in _SIGNS.items()}
_NEGATION = re.compile(r"\bnot ([TF])\b")
_OPERATION = re.compile(r"\([TF] (and|or|implies|xor) [TF]\)|^[TF] \w+ [TF]$")

_NEGATED = re.compile(r"(?:\bnot|n[’']t) (true|false)\b", re.IGNORECASE)
Problem = tuple[str, dict[str, str]]
"""A formula, and "true" or "false" for each of its variables."""


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for the value of a formula with one to four binary operators."""
    formula, values = sample_in_split(rng, split, _sample, _subject)
    wording = wordings("proposition", split).choose(rng)
    text = wording.format(formula=formula, values=_assignment(rng, values))
    return solve((formula, values)).example(
        "proposition", dress(rng, split, text[0].upper() + text[1:]), _subject((formula, values))
    )


def verify(example: Example, answer_text: str) -> bool:
    """True when the answer's last truth value is the right one; "not true" is false."""
    turned = _NEGATED.sub(lambda m: " false" if m[1].lower() == "true" else " true", answer_text)
    return named(turned, ("true", "false"))[-1:] == [example.key]


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when the values and the formula are the question's and every line follows from the one before."""
    formula = "\n".join(reasoning.split("\n")[1:2])
    rest = question.lower().replace(formula, "...")  # or "whether p or q is true" would give q a value
    values = dict(_VALUE.findall(rest))
    used = set(re.findall(r"\b[p-s]\b", formula))
    is_asked = formula in question.lower() and set() < used <= values.keys()
    return is_asked and solve((formula, values)).is_reached_by(reasoning, answer_text, verify)


def solve(problem: Problem) -> Solution:
    """The value of the formula."""
    formula, values = problem
    signs = {name: _SIGNS[value] for name, value in values.items()}
    lines = [" ".join(f"{name} {sign}" for name, sign in signs.items()), formula]
    lines.append(re.sub(r"\b[p-s]\b", lambda name: signs[name[0]], formula))
    while (simpler := _reduced(lines[-1])) != lines[-1]:
        lines.append(simpler)
    value = _WORDS.get(lines[-1], "unknown")
    return Solution("\n".join([*lines, f"So it is {value}."]), f"It is {value}.", value)


def _reduced(formula: str) -> str:
    """All negations of a value are carried out at once; where there is none, the first operation of two
    values is."""
    if _NEGATION.search(formula):
        return _NEGATION.sub(lambda m: "F" if m[1] == "T" else "T", formula)
    return _OPERATION.sub(_applied, formula, count=1)


def _applied(operation: re.Match[str]) -> str:
    left, operator, right = operation[0].strip("()").split()
    a, b = left == "T", right == "T"
    value = {"and": a and b, "or": a or b, "implies": not a or b, "xor": a != b}[operator]
    return "T" if value else "F"


def _sample(rng: random.Random) -> Problem:
    num_operators = rng.choices(_NUM_OPERATORS, _OPERATOR_SHARES)[0]
    formula = _formula(rng, num_operators).removeprefix("(").removesuffix(")")
    if formula.count("(") != formula.count(")"):  # "not (...)" lost its last bracket
        formula += ")"
    used = sorted(set(re.findall(r"\b[p-s]\b", formula)))
    return formula, {name: rng.choice(("true", "false")) for name in used}


def _formula(rng: random.Random, num_operators: int) -> str:
    """A formula whose operations all stand in brackets, so that no precedence is needed."""
    negation = "not " if rng.random() < 0.3 else ""
    if num_operators == 0:
        return negation + rng.choice(_VARIABLES)
    num_left = rng.randint(0, num_operators - 1)
    left, right = _formula(rng, num_left), _formula(rng, num_operators - 1 - num_left)
    return f"{negation if num_operators < 3 else ''}({left} {rng.choice(_OPERATORS)} {right})"


def _subject(problem: Problem) -> str:
    formula, values = problem
    return f"{formula}; {' '.join(values.values())}"


def _assignment(rng: random.Random, values: dict[str, str]) -> str:
    sign = rng.choice(_EQUALS)
    parts = [f"{name}{sign}{value}" for name, value in values.items()]
    return enumerated(parts) if sign == " is " else ", ".join(parts)
