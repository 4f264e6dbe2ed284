"""The greatest common divisor of two numbers up to 1000, by Euclid."""

from flashstep.training.tasks.base import pair_subject
from flashstep.training.tasks.gym.solved import Entry, Solved, TooLong
from flashstep.training.tasks.numbers import divisors


def solve(entry: Entry) -> Solved:
    """The lines of `numbers/divisors.py`."""
    return solve_with_divisors("gcd", entry["metadata"]["numbers"])


def solve_with_divisors(name: str, numbers: list[int]) -> Solved:
    """The gcd or lcm of two numbers; TooLong for more of them."""
    if len(numbers) != 2:
        raise TooLong("more than two numbers")
    solution = divisors.solve(f"{name}({numbers[0]},{numbers[1]})")
    return Solved(solution.reasoning, solution.key, (pair_subject(*map(str, numbers)),))
