"""All task families by name, with their share of the training documents."""

from flashstep.training.tasks import arithmetic, backwards, comparison, identity, letters, outside, spelling
from flashstep.training.tasks.base import Family

FAMILIES: dict[str, Family] = {
    "letters": Family(letters.generate, letters.verify, 0.16, letters.phrasings),
    "spelling": Family(spelling.generate, spelling.verify, 0.08, spelling.phrasings),
    "backwards": Family(backwards.generate, backwards.verify, 0.23, backwards.phrasings),
    "arithmetic": Family(arithmetic.generate, arithmetic.verify, 0.23, arithmetic.phrasings),
    "comparison": Family(comparison.generate, comparison.verify, 0.09, comparison.phrasings),
    # Of these two only the phrasings (and what outside fills into them) are held out.
    "identity": Family(identity.generate, identity.verify, 0.09, identity.phrasings, False),
    "outside": Family(outside.generate, outside.verify, 0.12, outside.phrasings, False),
}
