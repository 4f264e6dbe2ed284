"""Alice in Wonderland: her brothers' sisters, her friends' friends. She herself is one of them."""

import re

from flashstep.training.tasks.gym.solved import Entry, Solved

_ASKED = {"siblings": "sisters", "friends": "female friends", "colleagues": "female colleagues"}


def solve(entry: Entry) -> Solved:
    """The first such number of the question and one more: "Mary has 4 sisters", "with Mary: 4+1=5"."""
    asked, question = _ASKED[entry["metadata"]["task_type"]], entry["question"]
    name = question.split()[0]
    found = re.search(rf"(\d+) {asked}", question)
    assert found is not None, "every wording has this number"
    number = int(found[1])
    return Solved(f"{name} has {number} {asked}\nwith {name}: {number}+1={number + 1}", str(number + 1))
