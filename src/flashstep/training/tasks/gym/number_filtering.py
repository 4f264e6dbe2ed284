"""Keeping or removing the numbers above or below a bound: each is compared with it by sign, then by the
digits of the whole part, then by decimals."""

from flashstep.training.tasks.digit_walk import walk
from flashstep.training.tasks.gym.solved import Entry, Solved, TooLong


def solve(entry: Entry) -> Solved:
    """Compare each number, count those that are in the new list and write them behind their number.

    larger in, smaller out: -52.3
    48.36: 48 -52 larger #1 48.36
    -94.2: -94 -52 9>5 smaller out
    -52.19: -52 -52 5=5 2=2 .19 .30 1<3 larger #2 -52.19
    9: 09 -52 larger #3 9
    So #1 48.36 #2 -52.19 #3 9

    A list that writes one value in two ways, which the task answers with the first, raises TooLong.
    """
    facts = entry["metadata"]
    numbers, bound = facts["original_numbers"], facts["filter_value"]
    if len({float(number) for number in numbers}) < len(set(numbers)):
        raise TooLong("one value written in two ways")
    verb, side = facts["operation"].split("_")
    larger_in = (verb == "keep") == (side == "larger")
    lines = [f"{'larger in, smaller out' if larger_in else 'smaller in, larger out'}: {bound}"]
    kept: list[str] = []
    for number in numbers:
        walk, order = _compared(number, bound)
        is_in = verb == "remove" if order == 0 else (order > 0) == larger_in
        if is_in:
            kept.append(number)
        verdict = ("same", "larger", "smaller")[order]
        lines.append(f"{number}: {walk} {verdict} {f'#{len(kept)} {number}' if is_in else 'out'}")
    listed = " ".join(f"#{place} {number}" for place, number in enumerate(kept, 1))
    lines.append(f"So {listed}" if kept else "So none")
    return Solved("\n".join(lines), str(kept))


def _compared(a: str, b: str) -> tuple[str, int]:
    """What shows the order of two decimals, and the order: 1 when `a` is larger, -1 when smaller, else 0."""
    (sign_a, whole_a, decimals_a), (sign_b, whole_b, decimals_b) = _parts(a), _parts(b)
    width = max(len(whole_a), len(whole_b))
    whole_a, whole_b = whole_a.zfill(width), whole_b.zfill(width)
    shown = f"{sign_a}{whole_a} {sign_b}{whole_b}"
    if sign_a != sign_b:
        return shown, 1 if sign_b else -1
    steps, order = walk(whole_a, whole_b)
    if order == 0:
        width = max(len(decimals_a), len(decimals_b), 1)
        decimals_a, decimals_b = decimals_a.ljust(width, "0"), decimals_b.ljust(width, "0")
        more_steps, order = walk(decimals_a, decimals_b)
        steps = f"{steps} .{decimals_a} .{decimals_b} {more_steps}"
    return f"{shown} {steps}", -order if sign_a else order


def _parts(number: str) -> tuple[str, str, str]:
    whole, _, decimals = number.lstrip("-").partition(".")
    return "-" if number.startswith("-") else "", whole, decimals
