"""The families of single questions that conversations are made of."""

import random

from flashstep.training.tasks import arithmetic, backwards, comparison, identity, letters, spelling
from flashstep.training.tasks.base import Example, Family, Split
from flashstep.training.tasks.dialogue import Truth

SHORT_FAMILIES: dict[str, Family] = {
    "letters": Family(letters.generate, letters.verify, 0.3, ("letters",)),
    "spelling": Family(spelling.generate, spelling.verify, 0.15, ("spelling",)),
    "backwards": Family(backwards.generate, backwards.verify, 0.2, ("backwards",)),
    "arithmetic": Family(arithmetic.generate, arithmetic.verify, 0.2, ("add", "subtract")),
    "comparison": Family(comparison.generate, comparison.verify, 0.15, ("comparison",)),
}

# The lists that their wordings come from.
SHORT_WORDINGS = tuple(kind for family in SHORT_FAMILIES.values() for kind in family.wordings)

_JUDGED = {
    **SHORT_FAMILIES,
    "identity": Family(identity.generate, identity.verify, 0.0, identity.WORDINGS, False),
}


def short_example(rng: random.Random, split: Split) -> Example:
    """A question of one of these families."""
    weights = [family.weight for family in SHORT_FAMILIES.values()]
    return rng.choices(list(SHORT_FAMILIES.values()), weights)[0].generate(rng, split)


def small_talk(rng: random.Random, split: Split, *kinds: str) -> Example:
    """A greeting, thanks, a question about the model, ...: one of these kinds of `identity`."""
    while True:
        example = identity.generate(rng, split)
        if example.subject in kinds:
            return example


def truth_of(example: Example, form: str = "") -> Truth:
    """What an answer to `example` is judged by."""
    return Truth(example.key, example.family, example.subject, form)


def answers_question(truth: Truth, content: str) -> bool:
    """True when the family that the question is of takes `content` for the answer."""
    example = Example(truth.family, "", "", "", truth.key, truth.subject)
    return _JUDGED[truth.family].verify(example, content)
