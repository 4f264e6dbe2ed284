"""Questions of reasoning-gym as conversations. Its seeds below `FIRST_EVAL_SEED` are those of training."""

import random
from functools import cache
from typing import Any

from flashstep.errors import ConfigError
from flashstep.training.tasks.base import LETTER_BREAK, Split
from flashstep.training.tasks.dialogue import Dialogue, Truth
from flashstep.training.tasks.gym.solved import Entry, Solved, TooLong
from flashstep.training.tasks.gym.solvers import LONG, SOLVERS
from flashstep.training.tasks.script import Script

FIRST_EVAL_SEED = 1_000_000
_LONG_SHARE = 0.1


def gym_set(rng: random.Random, split: Split, num: int) -> list[Dialogue]:
    """`num` questions of one task that has a solver: what it says before the question itself is always the same."""
    [name] = rng.choices(list(SOLVERS), [_LONG_SHARE if name in LONG else 1.0 for name in SOLVERS])
    return [gym_dialogue(rng, split, name) for _ in range(num)]


def gym_dialogue(rng: random.Random, split: Split, name: str) -> Dialogue:
    """A question of one task, worked out; one for which that would take too long is left out."""
    entry, solved = _solved(rng, name, FIRST_EVAL_SEED if split == "eval" else 0)
    script = Script()
    script.user(entry["question"])
    script.answer(solved.reasoning, solved.answer, Truth(solved.answer.replace(LETTER_BREAK, "")))
    return script.dialogue("gym", ())


def _solved(rng: random.Random, name: str, first_seed: int) -> tuple[Entry, Solved]:
    while True:
        entry = _dataset(name, first_seed)[rng.randrange(FIRST_EVAL_SEED)]
        try:
            return entry, SOLVERS[name](entry)
        except TooLong:
            continue


@cache
def _dataset(name: str, first_seed: int) -> Any:
    """As many questions as there are seeds; each is made when it is asked for. ConfigError when the library is
    missing."""
    try:
        import reasoning_gym
    except ImportError as error:
        raise ConfigError(
            "these tasks need reasoning-gym, which is not installed; run: pip install 'flashstep[train]'"
        ) from error
    return reasoning_gym.create_dataset(name, size=FIRST_EVAL_SEED, seed=first_seed)
