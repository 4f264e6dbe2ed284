"""Machines A, B, C taken apart into parts X, Y, Z."""

from flashstep.training.tasks.gym.block_rules import Rule, trace
from flashstep.training.tasks.gym.solved import Entry, Solved

_RULES = (Rule("A", "XXY"), Rule("BB", "X"), Rule("CC", "Y"), Rule("BC", "A"), Rule("XY", "Z"))


def solve(entry: Entry) -> Solved:
    """Apply one rule after the other, each with its number:

    A1 B0 C2 X0 Y0 Z0
    1: A0 B0 C2 X2 Y1 Z0
    3: A0 B0 C0 X2 Y2 Z0
    5: A0 B0 C0 X1 Y1 Z1
    5: A0 B0 C0 X0 Y0 Z2
    """
    begin = dict(zip("ABCXYZ", entry["metadata"]["states"][0], strict=True))
    reasoning, end = trace(_RULES, begin)
    return Solved(reasoning, " ".join(map(str, end.values())))
