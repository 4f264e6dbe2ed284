"""What is asked in training: items of the train split, of all families by their weights, or of some.

The items of a step are a pure function of (seed, step), so a run resumes anywhere.
"""

import random
from collections.abc import Callable, Sequence

from flashstep.errors import ConfigError
from flashstep.training.evaluation.item import Item, dialogue_item, question_item
from flashstep.training.tasks.question_families import FAMILIES
from flashstep.training.tasks.registry import DIALOGUE_FAMILIES, WEIGHTS

# True when an item's first prompt leaves room for an answer.
Fits = Callable[[Item], bool]

_MOST_DRAWS = 100


def check_families(names: Sequence[str]) -> None:
    """ConfigError for a name that no task family has."""
    for name in names:
        if name not in WEIGHTS:
            raise ConfigError(f"no task family is called '{name}'; there are: {', '.join(WEIGHTS)}")


def train_items(seed: int, step: int, count: int, families: Sequence[str], fits: Fits) -> list[Item]:
    """The `count` items of `step`; families () = all, by their weights; named ones are asked equally often.
    An item that does not fit is drawn again."""
    shares = dict.fromkeys(families, 1.0) or WEIGHTS
    return [_drawn(random.Random(f"{seed}:rl:{step}:{index}"), shares, fits) for index in range(count)]


def _drawn(rng: random.Random, shares: dict[str, float], fits: Fits) -> Item:
    names, weights = list(shares), list(shares.values())
    for _ in range(_MOST_DRAWS):
        item = _item(rng.choices(names, weights)[0], rng)
        if fits(item):
            return item
    raise ConfigError(
        f"{_MOST_DRAWS} prompts of {', '.join(names)} leave no room for an answer; "
        f"raise row_tokens or lower max_tokens"
    )


def _item(name: str, rng: random.Random) -> Item:
    if name in FAMILIES:
        return question_item(FAMILIES[name].generate(rng, "train"), FAMILIES[name], None)
    return dialogue_item(DIALOGUE_FAMILIES[name].generate(rng, "train"), DIALOGUE_FAMILIES[name])
