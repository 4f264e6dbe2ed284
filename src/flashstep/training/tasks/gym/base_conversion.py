"""Numbers from one base up to 16 to another by way of base ten."""

from flashstep.training.tasks.arithmetic import column_sum
from flashstep.training.tasks.base import lettered
from flashstep.training.tasks.gym.short_division import steps
from flashstep.training.tasks.gym.solved import Entry, Solved, TooLong
from flashstep.training.tasks.numbers.multiplication import row

_DIGITS = "0123456789abcdef"


def solve(entry: Entry) -> Solved:
    """To base ten digit by digit (times the base, plus the digit), by place values from base 11 on; then
    divide: each number so far with its digit and rest, the quotient and rest of all, the digits so far.

    3a0 base 13 to 6
    3 10 0
    3*169=507
    10*13=130
    507+130+000
    (columns)
    637 to base 6
    637/6 6:1r0 3:0r3 37:6r1, 106r1: 1
    106/6 1:0r1 10:1r4 46:7r4, 17r4: 41
    17/6 1:0r1 17:2r5, 2r5: 541
    2/6 2:0r2, 0r2: 2541
    So 2541.

    Halves are written at once. From base 11 on the multiples of the base come first. Zero, which the task
    writes as nothing in most bases, raises TooLong.
    """
    facts = entry["metadata"]
    value, source, target = facts["decimal_value"], facts["source_base"], facts["target_base"]
    if value == 0:
        raise TooLong("zero")
    digits, result = facts["source_repr"], lettered(facts["target_repr"])
    lines = [f"{lettered(digits)} base {source} to {target}"]
    if source != 10:
        lines += _by_places(digits, source) if source > 10 else _by_steps(digits, source)
    if target != 10:
        lines += [f"{value} to base {target}", *_from_ten(value, target)]
    return Solved("\n".join([*lines, f"So {result}."]), result)


def _by_steps(digits: str, base: int) -> list[str]:
    """Times the base plus the next digit: "5*8+3 5:43"; doubles at once."""
    value, lines = int(digits[0]), [digits[0]]
    for c in digits[1:]:
        result = value * base + int(c)
        work = f"={result}" if base == 2 else row(value, base, int(c))
        lines.append(f"{value}*{base}+{c}{work}")
        value = result
    return lines


def _by_places(digits: str, base: int) -> list[str]:
    values = [_DIGITS.index(c) for c in digits]
    products, terms = list[str](), list[int]()
    for value, power in zip(values, range(len(values) - 1, -1, -1), strict=True):
        terms.append(value * base**power)
        if power:
            products.append(f"{value}*{base**power}={terms[-1]}")
    columns = column_sum(*terms).split("\n")[:-1] if len(terms) > 1 else []
    return [" ".join(map(str, values)), *products, *columns]


def _from_ten(left: int, base: int) -> list[str]:
    lines = [" ".join(f"{times}:{times * base}" for times in range(2, 10))] if base > 10 else []
    done = ""
    while left:
        quotient, rest = divmod(left, base)
        done = f"{_DIGITS[rest]}{done}"
        work = "" if base == 2 else steps(left, base)
        lines.append(f"{left}/{base}{work}, {quotient}r{rest}: {lettered(done)}")
        left = quotient
    return lines
