"""Sums and differences of up to six numbers, from the left; the total may go below zero."""

from flashstep.training.tasks.gym.signed_chain import reduce_signed
from flashstep.training.tasks.gym.solved import Entry, Solved


def solve(entry: Entry) -> Solved:
    """One column sum or difference after another, the rest copied: 3-8+4, 3-8=-5, -5+4, 4-5=-1, So -1."""
    lines, value = reduce_signed(entry["metadata"]["expression"].replace(" ", ""))
    return Solved("\n".join(lines), value)
