"""The least common multiple of two numbers up to 100: their product, one divided by what they share."""

from flashstep.training.tasks.gym.gcd import solve_with_divisors
from flashstep.training.tasks.gym.solved import Entry, Solved


def solve(entry: Entry) -> Solved:
    """The lines of `numbers/divisors.py`."""
    return solve_with_divisors("lcm", entry["metadata"]["numbers"])
