"""Questions of reasoning-gym as conversations."""

import random

from flashstep.training.tasks.base import LETTER_BREAK, Split, split_of
from flashstep.training.tasks.dialogue import Dialogue, Truth
from flashstep.training.tasks.gym.entries import FIRST_EVAL_SEED, dataset, is_of
from flashstep.training.tasks.gym.solved import Entry, Solved, TooLong
from flashstep.training.tasks.gym.solvers import LONG, SOLVERS
from flashstep.training.tasks.script import Script

_LONG_SHARE = 0.1


def gym_set(rng: random.Random, split: Split, num: int) -> list[Dialogue]:
    """`num` questions of one task that has a solver: what it says before the question itself is always the same."""
    [name] = rng.choices(list(SOLVERS), [_LONG_SHARE if name in LONG else 1.0 for name in SOLVERS])
    return [gym_dialogue(rng, split, name) for _ in range(num)]


def gym_dialogue(rng: random.Random, split: Split, name: str) -> Dialogue:
    """A question of one task, worked out; one for which that would take too long is left out."""
    entry, solved = _solved(rng, split, name)
    script = Script()
    script.user(entry["question"])
    script.answer(solved.reasoning, solved.answer, Truth(solved.answer.replace(LETTER_BREAK, "")))
    return script.dialogue("gym", (entry["question"],))


def _solved(rng: random.Random, split: Split, name: str) -> tuple[Entry, Solved]:
    data = dataset(name, FIRST_EVAL_SEED if split == "eval" else 0)
    while True:
        entry = data[rng.randrange(FIRST_EVAL_SEED)]
        if not is_of(entry, split):
            continue
        try:
            solved = SOLVERS[name](entry)
        except TooLong:
            continue
        if split == "eval" or all(split_of(subject) == split for subject in solved.subjects):
            return entry, solved
