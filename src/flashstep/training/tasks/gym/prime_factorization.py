"""Prime factors by trial division, the trace of numbers/primes.py."""

from flashstep.training.tasks.gym.solved import Entry, Solved
from flashstep.training.tasks.numbers import primes


def solve(entry: Entry) -> Solved:
    """Factor the number; its last line "So 3 * 3 * 71." becomes the answer "3 × 3 × 71"."""
    number = str(entry["metadata"]["number"])
    solution = primes.solve_factors(f"Factor {number}")
    return Solved(solution.reasoning, solution.key.replace(" ", " × "), (number,))
