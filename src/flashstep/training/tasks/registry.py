"""All task families by name, with their share of the training documents."""

from flashstep.training.tasks import arithmetic, backwards, comparison, identity, letters, outside, spelling
from flashstep.training.tasks.base import Family

FAMILIES: dict[str, Family] = {
    "letters": Family(letters.generate, letters.verify, 0.24, ("letters",)),
    "spelling": Family(spelling.generate, spelling.verify, 0.13, ("spelling",)),
    "backwards": Family(backwards.generate, backwards.verify, 0.17, ("backwards",)),
    "arithmetic": Family(arithmetic.generate, arithmetic.verify, 0.14, ("add", "subtract")),
    "comparison": Family(comparison.generate, comparison.verify, 0.08, ("comparison",)),
    # Of these two only the wordings (and what outside fills into them) are held out.
    "identity": Family(identity.generate, identity.verify, 0.11, identity.WORDINGS, False),
    "outside": Family(outside.generate, outside.verify, 0.13, ("outside",), False),
}
