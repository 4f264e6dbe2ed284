"""The largest or smallest of numbers written in three ways: their digits in groups of three from the left,
one number after the other compared with the best so far."""

from flashstep.training.tasks.gym.solved import Entry, Solved, TooLong

_DECIMALS = 3


def solve(entry: Entry) -> Solved:
    """Copy a number, pair its groups with those of the best so far until two differ, write the better one.

    smallest
    1: 7.417872474740000e+08 best 741 787 247 .474
    2: 741787253.378000 741 741, 787 787, 253 247 larger, best 741 787 247 .474
    3: 741,787,246.323 741 741, 787 787, 246 247 smaller, best 741 787 246 .323
    So 741787246.323

    Groups from the left need no counting; decimals behind the third are left out. Numbers with and without a
    tenth digit, say, in one list raise TooLong.
    """
    facts = entry["metadata"]
    wanted, best = "larger" if facts["size"] == "largest" else "smaller", list[str]()
    lines = [facts["size"]]
    for place, candidate in enumerate(facts["formatted_candidates"], 1):
        groups, work = _groups(candidate), ""
        if not best:
            best = groups
        else:
            if list(map(len, groups)) != list(map(len, best)):
                raise TooLong("not equally long")
            work, verdict = _paired(groups, best)
            best = groups if verdict == wanted else best
            work = f" {work} {verdict},"
        lines.append(f"{place}: {candidate}{work} best {' '.join(best)}")
    answer = "".join(best)
    return Solved("\n".join([*lines, f"So {answer}"]), answer)


def _groups(candidate: str) -> list[str]:
    """ "41,787,253.3" as "417", "872", "53", ".300"."""
    mantissa, _, exponent = candidate.partition("e+")
    whole, _, decimals = mantissa.replace(",", "").partition(".")
    if exponent:
        digits = whole + decimals
        whole, decimals = digits[: int(exponent) + 1], digits[int(exponent) + 1 :]
    decimals = decimals[:_DECIMALS].ljust(_DECIMALS, "0")
    return [*(whole[start : start + 3] for start in range(0, len(whole), 3)), f".{decimals}"]


def _paired(groups: list[str], best: list[str]) -> tuple[str, str]:
    """Group beside group until two differ, and what the first number is: "741 741, 253 247" and "larger"."""
    pairs, verdict = [], "same"
    for group, other in zip(groups, best, strict=True):
        pairs.append(f"{group} {other}")
        if group != other:
            verdict = "larger" if group > other else "smaller"
            break
    return ", ".join(pairs), verdict
