"""Antiderivatives of polynomials, term by term: exponent plus one, coefficient divided by it."""

import math
import re

from flashstep.training.tasks.gym import short_division
from flashstep.training.tasks.gym.solved import Entry, Solved, TooLong
from flashstep.training.tasks.numbers.multiplication import row

_TERM = re.compile(r"(?:(\d+)\*)?[xX](?:\*\*(\d+))?(?:/(\d+))?")


def solve(entry: Entry) -> Solved:
    """A line for each term: the new exponent, the coefficient divided by it (each number so far with its
    digit and rest), the new term.

    + 63*X**8: 9, 63/9 6:0r6 63:7r0, 7, + 7*X**9
    - 14*X**3/5: 4, 14/4 1:0r1 14:3r2, 4 2 by 2, 14/2 1:0r1 14:7r0, 7, 4/2=2, 5*2=10, - 7*X**4/10
    + 3: + 3*X
    So 7*X**9 - 7*X**4/10 + 3*X + C

    Where a rest stays, exponent and rest show by which number the fraction is to be reduced ("4 2 by 2"),
    1 at times. An integrand of 0 raises TooLong.
    """
    integrand, variable = entry["metadata"]["integrand"], entry["metadata"]["variable"]
    if integrand == "0":
        raise TooLong("all terms have cancelled out")
    signed = re.sub("^-", "- ", integrand) if integrand.startswith("-") else f"+ {integrand}"
    lines, result = [], []
    for sign, term in re.findall(r"([+-]) (\S+)", signed):
        steps, integral = _constant(term, variable) if variable not in term else _integrated(term, variable)
        lines.append(f"{sign} {term}: {''.join(f'{step}, ' for step in steps)}{sign} {integral}")
        result.append(f"{sign} {integral}")
    answer = " ".join([*result, "+ C"]).removeprefix("+ ")
    answer = re.sub("^- ", "-", answer)
    return Solved("\n".join([*lines, f"So {answer}"]), answer)


def _constant(term: str, variable: str) -> tuple[list[str], str]:
    top, slash, below = term.partition("/")
    return [], (variable if top == "1" else f"{top}*{variable}") + slash + below


def _integrated(term: str, variable: str) -> tuple[list[str], str]:
    """The steps for a term with the variable, without its sign, and its antiderivative."""
    match = _TERM.fullmatch(term)
    assert match is not None, f"not a term: {term}"
    top, exponent, below = (int(part or 1) for part in match.groups())
    exponent += 1
    steps = [str(exponent), *_divided(top, exponent)]
    if top % exponent == 0:
        top //= exponent
    else:
        common = math.gcd(top, exponent)
        steps.append(f"{exponent} {top % exponent} by {common}")
        if common > 1:
            steps += [*_divided(top, common), f"{exponent}/{common}={exponent // common}"]
        top, factor = top // common, exponent // common
        if below > 1:
            steps.append(_product(below, factor))
        below *= factor
    coefficient = "" if top == 1 else f"{top}*"
    return steps, f"{coefficient}{variable}**{exponent}{f'/{below}' if below > 1 else ''}"


def _divided(number: int, divisor: int) -> list[str]:
    """The steps of a division, and the quotient where there is no rest."""
    line = f"{number}/{divisor}{short_division.steps(number, divisor)}"
    return [line] if number % divisor else [line, str(number // divisor)]


def _product(a: int, b: int) -> str:
    """ "5*4=20", with carries where `a` has more than one digit: "56*4 6:24 5:224, 224"."""
    return f"{a}*{b}={a * b}" if a < 10 or b == 10 else f"{a}*{b}{row(a, b)}, {a * b}"
