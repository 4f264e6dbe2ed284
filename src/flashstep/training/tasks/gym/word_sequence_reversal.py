"""A list of words from the last to the first."""

from flashstep.training.tasks.gym.solved import Entry, Solved


def solve(entry: Entry) -> Solved:
    """Number the words, then read them against the numbers."""
    words = entry["metadata"]["words"]
    numbered = [f"{number} {word}" for number, word in enumerate(words, 1)]
    forwards, backwards = ", ".join(numbered), ", ".join(reversed(numbered))
    return Solved(f"Words: {forwards}\nBackwards: {backwards}", ", ".join(reversed(words)))
