"""Blocks [A] [B] [C] put together to {A} {B} {C} and (A) (B) (C), called A B C a b c x y z."""

from flashstep.training.tasks.gym.block_rules import Rule, trace
from flashstep.training.tasks.gym.solved import Entry, Solved

_RULES = (
    Rule("ABC", "a"),
    Rule("AB", "c"),
    Rule("BC", "b"),
    Rule("CC", "c"),
    Rule("ac", "xy"),
    Rule("bb", "z"),
)


def solve(entry: Entry) -> Solved:
    """Apply one rule after the other, each with its number:

    A1 B1 C3 a0 b0 c0 x0 y0 z0
    1: A0 B0 C2 a1 b0 c0 x0 y0 z0
    4: A0 B0 C0 a1 b0 c1 x0 y0 z0
    5: A0 B0 C0 a0 b0 c0 x1 y1 z0
    """
    begin = dict(zip("ABCabcxyz", entry["metadata"]["states"][0], strict=True))
    reasoning, end = trace(_RULES, begin)
    return Solved(reasoning, " ".join(map(str, end.values())))
