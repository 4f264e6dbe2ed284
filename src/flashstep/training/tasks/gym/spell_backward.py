"""A word from its last letter to its first."""

from flashstep.training.tasks.backwards import reverse_example
from flashstep.training.tasks.gym.solved import Entry, Solved


def solve(entry: Entry) -> Solved:
    """Number the letters and read them against the numbers; capitals are written small, as the scorer allows."""
    example = reverse_example(entry["metadata"]["word"].lower(), entry["question"])
    return Solved(example.reasoning, example.answer, (example.subject,))
