"""Checks reasoning traces: every equation in a text is true, and a trace is the way to its answer.

A trace begins with its task ("371*42", "gcd(84,36)"), and every step follows from it. So a checker
reads the task off the first line, solves it again, and the two traces must agree to the letter.
"""

import ast
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from flashstep.training.tasks.base import LETTER_BREAK, Example

TraceCheck = Callable[[str, str, str], bool]

_NUMBER = r"\d+(?:\.\d+)?"
_TERM = rf"\(*{_NUMBER}\)*"
# The right side is only looked at, so that it can be the left side of what follows: 7*7=49>37.
_EQUATION = re.compile(rf"(-?{_TERM}(?: ?[-+*/] ?{_TERM})*) ?([=<>])(?= ?(-?{_NUMBER})(?![\d.]*[*/]))")
_OPERATIONS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_RELATIONS = {"=": operator.eq, "<": operator.lt, ">": operator.gt}
_SIGNS = str.maketrans({"×": "*", "·": "*", "x": "*", "÷": "/", "−": "-"})


@dataclass(frozen=True, slots=True)
class Solution:
    """A worked task. `given` are the pieces that a question about it must contain; `answer` and
    `reasoning` may hold LETTER_BREAKs."""

    reasoning: str
    answer: str
    key: str
    given: tuple[str, ...]


def equations(text: str) -> list[tuple[str, str, str]]:
    """(left side, relation, right side) of all that looks like an equation or a comparison."""
    return _EQUATION.findall(text)


def equations_hold(text: str) -> bool:
    """True when every equation and comparison of numbers in `text` is true."""
    return all(_holds(*equation) for equation in equations(text))


def replays(
    solve: Callable[[str], Solution],
    verify: Callable[[Example, str], bool],
    question: str,
    reasoning: str,
    answer_text: str,
) -> bool:
    """True when `reasoning` solves the task in its first line step by step, that task is about what
    stands in `question`, and `answer_text` is what it leads to. `solve` raises ValueError for a
    line that is no task."""
    shown = reasoning.replace(LETTER_BREAK, "")
    try:
        solution = solve(shown.partition("\n")[0])
    except ValueError:
        return False
    example = Example("", question, reasoning, solution.answer, solution.key, "")
    return (
        equations_hold(shown)
        and shown == solution.reasoning.replace(LETTER_BREAK, "")
        and all(_mentions(question, part) for part in solution.given)
        and verify(example, answer_text.replace(LETTER_BREAK, ""))
    )


def _mentions(question: str, part: str) -> bool:
    """True when `part` stands in `question`; a number must be there whole, not inside another one."""
    if not re.fullmatch(_NUMBER, part):
        edge = r"(?<!\d)", r"(?!\d)"  # an expression must be there whole, too
        first, last = edge if re.search(r"[-+*/]", part) else ("", "")
        return bool(re.search(f"{first}{re.escape(_plain(part))}{last}", _plain(question)))
    whole = re.compile(rf"(?<!\d)(?<!\d\.){re.escape(part)}(?!\d|\.\d)")
    joined = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", question)  # thousands separators, or a dense list
    return bool(whole.search(question) or whole.search(joined))


def _plain(text: str) -> str:
    """`text` with one way to write each sign, without spaces, commas, and the joints of number words."""
    text = re.sub(r"\band\b|(?<=[a-z])-(?=[a-z])|[\s,]", "", text.lower())
    return text.translate(_SIGNS)


def _holds(left: str, relation: str, right: str) -> bool:
    try:
        sides = [_value(ast.parse(_unpadded(side), mode="eval").body) for side in (left, right)]
    except (SyntaxError, ZeroDivisionError, ValueError):
        return False
    return bool(_RELATIONS[relation](*sides))


def _unpadded(side: str) -> str:
    """Without leading zeros, which Python refuses in integers."""
    return re.sub(r"(?<![\d.])0+(?=\d)", "", side)


def _value(node: ast.expr) -> Fraction:
    if isinstance(node, ast.Constant):
        return Fraction(str(node.value))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        return _OPERATIONS[type(node.op)](_value(node.left), _value(node.right))
    raise ValueError(f"not arithmetic: {ast.dump(node)}")
