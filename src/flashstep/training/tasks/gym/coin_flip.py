"""Exactly or at least k heads in n flips: numbers from the n-th row of Pascal's triangle over 2^n."""

from math import comb

from flashstep.training.tasks.gym.solved import Entry, Solved
from flashstep.training.tasks.trace_steps import minus, plus


def solve(entry: Entry) -> Solved:
    """The half of the row that is needed is known by heart. For more than half of the heads the tails are counted;
    of "at least" few heads, what is missing is counted and taken off.

    exactly 9 of 12, 12-9=3 tails    at least 10 of 12, up to 12-10=2 tails    at least 2 of 12, not 0 to 2-1=1
    0:1 1:12 2:66 3:220              0:1 1:12 2:66                             0:1 1:12
    2^12=4096                        1+12=13                                   1+12=13
    So 220/4096.                     13+66                                     2^12=4096
                                     ... (columns)                             4096-13
                                     2^12=4096                                 ... (columns)
                                     So 79/4096.                               So 4083/4096.
    """
    data = entry["metadata"]
    n, k, kind = data["num_trials"], data["k_heads"], data["problem_type"]
    head, least, is_rest = f"exactly {k} of {n}", k, False
    if kind == "at_least":
        head, is_rest = f"at least {k} of {n}", 2 * k <= n
    if is_rest:
        least = k - 1
        head += f", not 0 to {k}-1={least}" if k else ", always"
    elif 2 * k > n:
        least = n - k
        head += f",{' up to' if kind == 'at_least' else ''} {n}-{k}={least} tails"
    lines, count = [head], 0
    if least >= 0:
        row = [comb(n, i) for i in range(least + 1)]
        lines.append(" ".join(f"{i}:{number}" for i, number in enumerate(row)))
        sums, count = _sum_lines(row) if kind == "at_least" else ([], row[-1])
        lines += sums
    lines.append(f"2^{n}={2**n}")
    if is_rest and k:
        lines += minus(2**n, count)
    result = f"{2**n - count if is_rest else count}/{2**n}"
    return Solved("\n".join([*lines, f"So {result}."]), result)


def _sum_lines(row: list[int]) -> tuple[list[str], int]:
    lines, total = [], row[0]
    for number in row[1:]:
        lines += plus(total, number)
        total += number
    return lines, total
