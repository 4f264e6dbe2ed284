"""Who likes it, in a text of such sentences: the one that ends as the question does."""

from flashstep.training.tasks.gym.solved import Entry, Solved, TooLong

_MOST_SENTENCES = 90  # some 1,450 tokens


def solve(entry: Entry) -> Solved:
    """What is wanted as the question says it, then the sentence that ends so; TooLong for the longest texts.

    Wanted: exults cheese making
    Found: Aaryan exults cheese making.
    So Aaryan.
    """
    if entry["metadata"]["num_statements"] > _MOST_SENTENCES:
        raise TooLong("a text of many sentences")
    text, _, question = entry["question"].rpartition("\n")
    wanted = question.removeprefix("Who ").partition("?")[0]
    found = [name for name in _subjects(text, wanted) if " " not in name]
    if len(found) != 1:
        raise TooLong("two sentences that end alike")
    return Solved(f"Wanted: {wanted}\nFound: {found[0]} {wanted}.\nSo {found[0]}.", found[0])


def _subjects(text: str, wanted: str) -> list[str]:
    sentences = f"{text.strip()} ".split(". ")
    return [s.removesuffix(f" {wanted}") for s in sentences if s.endswith(f" {wanted}")]
