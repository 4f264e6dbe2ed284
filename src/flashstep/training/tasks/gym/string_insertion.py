"""A letter is put in after every four letters that follow each other in the circle A B C D E."""

from flashstep.training.tasks.base import lettered
from flashstep.training.tasks.gym.solved import Entry, Solved

_CIRCLE = "ABCDE"
_RUN = 4


def solve(entry: Entry) -> Solved:
    """Count how long each run of following letters is; after the fourth comes the letter that began it, and
    the count starts again: "C1 B1 C2 D3 E4 +B C1"."""
    string = entry["metadata"]["string"]
    trace, answer = "", ""
    run, last = 0, ""
    for c in string:
        run = run + 1 if run and c == _next(last) else 1
        trace, answer, last = f"{trace} {c}{run}", answer + c, c
        if run == _RUN:
            begun = _next(_next(c))
            trace, answer, run = f"{trace} +{begun}", answer + begun, 0
    return Solved(trace.strip(), lettered(answer))


def _next(letter: str) -> str:
    return _CIRCLE[(_CIRCLE.index(letter) + 1) % len(_CIRCLE)]
