"""The last angle of a polygon: what its number of sides gives in all, less the sum of the others."""

from flashstep.training.tasks.gym.signed_chain import reduce_signed
from flashstep.training.tasks.gym.solved import Entry, Solved


def solve(entry: Entry) -> Solved:
    """The total of the angles, then a chain of column sums and a difference.

    4 sides: 360
    360-(12+143+19)
    (columns)
    360-(155+19)
    (columns)
    360-174
    (columns)
    So 186.
    """
    sides, angles = entry["metadata"]["n_sides"], entry["metadata"]["known_angles"]
    total = 180 * (sides - 2)
    lines, value = reduce_signed(f"{total}-({'+'.join(str(int(angle)) for angle in angles)})")
    return Solved("\n".join([f"{sides} sides: {total}", *lines]), value)
