"""Expressions of two to four operations with brackets: one operation at a time, the rest copied.

    (12+7)*3-4
    12+07
    2+7=9: 9
    1+0=1: 19
    19*3-4
    19*3
    *3 9:27 1:057, 57
    57-4
    (columns)
    So 53.

Brackets go first, then * and /, then + and -, each from the left. Operations on two digits are done
at once ("7*8=56"), others in the columns, rows and steps of the other families.
"""

import operator
import random
import re

from flashstep.training.tasks.arithmetic import column_difference, column_sum
from flashstep.training.tasks.base import Example, Split, split_of
from flashstep.training.tasks.numbers.division import division_lines
from flashstep.training.tasks.numbers.multiplication import product_lines
from flashstep.training.tasks.numbers.question import ends_with_number, example_of
from flashstep.training.tasks.trace_check import Solution, replays

MAX_REASONING_CHARS = 200
_OPERATIONS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.floordiv}
_TASK = re.compile(r"(?=.*[-+*/].*)[\d()+*/-]+")

verify = ends_with_number


def generate(rng: random.Random, split: Split) -> Example:
    """Ask for the value of an expression of 3 to 5 numbers."""
    while True:
        task = _sample(rng, rng.choices((2, 3, 4), (5, 4, 2))[0])[0]
        if split_of(task) != split:
            continue
        try:
            solution = solve(task)
        except ValueError:
            continue
        if len(solution.reasoning) <= MAX_REASONING_CHARS:
            return example_of(rng, split, "chain", "chain", task, solution, e=_typed(rng, task))


def solve(task: str) -> Solution:
    """Work out "(12+7)*3-4"; ValueError for what is no expression, divides unevenly, or passes
    through a negative number before its end."""
    if _TASK.fullmatch(task) is None:
        raise ValueError(f"not an expression: {task}")
    lines, expression = [], task
    while not re.fullmatch(r"-?\d+", expression):
        work, rest = _reduced(expression)
        lines += [expression, *work[work[0] == expression :]]  # a single operation is not named twice
        expression = rest
    answer = re.sub(r"([-+*/])", r" \1 ", task)
    return Solution("\n".join([*lines, f"So {expression}."]), f"{answer} = {expression}", expression, (task,))


def check_trace(question: str, reasoning: str, answer_text: str) -> bool:
    """True when `reasoning` reduces the expression of the question to the answer."""
    return replays(solve, verify, question, reasoning, answer_text)


def _reduced(expression: str) -> tuple[list[str], str]:
    """The work for the operation that is due, and the expression behind it."""
    if expression.startswith("-"):
        raise ValueError(f"goes on with a negative number: {expression}")
    group = re.search(r"\(([^()]+)\)", expression)
    segment = group[1] if group else expression
    due = re.search(r"(\d+)([*/])(\d+)", segment) or re.match(r"(\d+)([+-])(\d+)", segment)
    if due is None:
        raise ValueError(f"not an expression: {expression}")
    a, sign, b = int(due[1]), due[2], int(due[3])
    work, value = _worked(a, sign, b)
    rest = segment[: due.start()] + value + segment[due.end() :]
    if group is None:
        return work, rest
    inner = rest if re.fullmatch(r"-?\d+", rest) else f"({rest})"
    if inner.startswith(("-", "(-")):
        raise ValueError(f"negative inside brackets: {expression}")
    return work, expression[: group.start()] + inner + expression[group.end() :]


def _worked(a: int, sign: str, b: int) -> tuple[list[str], str]:
    if sign == "/" and (not 0 < b < 100 or a % b):
        raise ValueError(f"not an even division: {a}/{b}")
    value = str(_OPERATIONS[sign](a, b))
    if max(a, b) < 10:
        return [f"{a}{sign}{b}={value}"], value
    if sign == "*":
        work = product_lines(a, b)
        return work if work[0] == f"{b}*{a}" else [f"{a}*{b}", *work], value
    if sign == "/":
        return [f"{a}/{b}", *division_lines(a, b)], value
    columns = column_sum(a, b) if sign == "+" else column_difference(a, b)
    return columns.split("\n")[:-1], value


def _sample(rng: random.Random, num_operations: int) -> tuple[str, str]:
    """An expression and the sign that it does last ("" for a number)."""
    if num_operations == 0:
        return str(rng.randrange(1, 10 ** rng.choices((1, 2, 3), (5, 5, 1))[0])), ""
    sign = rng.choices("+-*/", (4, 4, 4, 1))[0]
    if num_operations == 1 and sign == "/":
        divisor = rng.randint(2, 12)
        return f"{divisor * rng.randint(1, 12)}/{divisor}", sign
    num_left = rng.randrange(num_operations)
    (left, last_left), (right, last_right) = (
        _sample(rng, n) for n in (num_left, num_operations - 1 - num_left)
    )
    needless = rng.random() < 0.1  # brackets that change nothing
    if last_left and (needless or (sign in "*/" and last_left in "+-")):
        left = f"({left})"
    if last_right and (
        needless or sign in "-*/" and (last_right in "+-" or sign == "/" or last_right == "/")
    ):
        right = f"({right})"
    return f"{left}{sign}{right}", sign


def _typed(rng: random.Random, expression: str) -> str:
    """The expression with the spaces and signs that people use."""
    times, divided = rng.choice(("*", "*", "×", "x")), rng.choice(("/", "/", "÷"))
    space = rng.choice((" ", " ", ""))
    typed = re.sub(r"([-+*/])", rf"{space}\1{space}", expression)
    return typed.replace("*", times).replace("/", divided)
