"""The families of single questions that conversations are made of."""

import random

from flashstep.training.tasks import arithmetic, backwards, comparison, letters, spelling
from flashstep.training.tasks.base import Example, Family, Split

SHORT_FAMILIES: dict[str, Family] = {
    "letters": Family(letters.generate, letters.verify, 0.3, ("letters",)),
    "spelling": Family(spelling.generate, spelling.verify, 0.15, ("spelling",)),
    "backwards": Family(backwards.generate, backwards.verify, 0.2, ("backwards",)),
    "arithmetic": Family(arithmetic.generate, arithmetic.verify, 0.2, ("add", "subtract")),
    "comparison": Family(comparison.generate, comparison.verify, 0.15, ("comparison",)),
}


def short_example(rng: random.Random, split: Split) -> Example:
    """A question of one of these families."""
    weights = [family.weight for family in SHORT_FAMILIES.values()]
    return rng.choices(list(SHORT_FAMILIES.values()), weights)[0].generate(rng, split)
