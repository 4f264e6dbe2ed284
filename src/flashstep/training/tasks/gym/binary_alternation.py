"""The least number of swaps that make a string of ones and zeros alternate."""

from collections import Counter

from flashstep.training.tasks.gym.solved import Entry, Solved


def solve(entry: Entry) -> Solved:
    """Count ones (a) and zeros (b) at odd places, ones (c) and zeros (d) at even places. A string that shall
    start with 1 has b and c at the wrong places, one that shall start with 0 has a and d there: they are
    swapped with each other, if there are as many of them.

    a1 c1 b1 c2 a2
    b1 c2 not
    a2 d0 not
    So -1
    """
    counts: Counter[str] = Counter()
    marks = []
    for place, c in enumerate(entry["metadata"]["string"]):
        kind = ("ab" if place % 2 == 0 else "cd")[c == "0"]
        counts[kind] += 1
        marks.append(f"{kind}{counts[kind]}")
    lines, swaps = [" ".join(marks)], []
    for odd, even in ("bc", "ad"):
        is_same = counts[odd] == counts[even]
        lines.append(f"{odd}{counts[odd]} {even}{counts[even]} {'same' if is_same else 'not'}")
        if is_same:
            swaps.append(counts[odd])
    answer = str(min(swaps, default=-1))
    return Solved("\n".join([*lines, f"So {answer}"]), answer)
