"""The families of questions with one answer by name, their share of the training documents, and how their reasoning
is checked."""

from dataclasses import replace
from typing import TypeVar

from flashstep.training.tasks import backwards, comparison, identity, letters, outside, spelling
from flashstep.training.tasks.base import Family
from flashstep.training.tasks.dialogue import DialogueFamily
from flashstep.training.tasks.logic.families import LOGIC_FAMILIES, LOGIC_TRACE_CHECKS
from flashstep.training.tasks.numbers.families import NUMBER_FAMILIES
from flashstep.training.tasks.numbers.families import TRACE_CHECKS as NUMBER_TRACE_CHECKS
from flashstep.training.tasks.plain_checks import PLAIN_TRACE_CHECKS
from flashstep.training.tasks.text.families import TEXT_FAMILIES, TEXT_TRACE_CHECKS
from flashstep.training.tasks.time_and_units.families import (
    TIME_AND_UNIT_FAMILIES,
    TIME_AND_UNIT_TRACE_CHECKS,
)
from flashstep.training.tasks.trace_check import TraceCheck

AnyFamily = TypeVar("AnyFamily", Family, DialogueFamily)


def scaled(package: dict[str, AnyFamily], share: float) -> dict[str, AnyFamily]:
    """The families of a package, whose weights sum to one, with that share of all documents."""
    return {name: replace(family, weight=family.weight * share) for name, family in package.items()}


PLAIN_FAMILIES: dict[str, Family] = {
    "letters": Family(letters.generate, letters.verify, 0.24, ("letters",)),
    "spelling": Family(spelling.generate, spelling.verify, 0.13, ("spelling",)),
    "backwards": Family(backwards.generate, backwards.verify, 0.16, ("backwards",)),
    "comparison": Family(comparison.generate, comparison.verify, 0.08, ("comparison",)),
    # Of these two only the wordings (and what outside fills into them) are held out.
    "identity": Family(identity.generate, identity.verify, 0.10, identity.WORDINGS, False),
    "outside": Family(outside.generate, outside.verify, 0.29, ("outside",), False),
}

FAMILIES: dict[str, Family] = {
    **scaled(PLAIN_FAMILIES, 0.26),
    **scaled(TEXT_FAMILIES, 0.13),
    **scaled(NUMBER_FAMILIES, 0.22),
    **scaled(TIME_AND_UNIT_FAMILIES, 0.11),
    **scaled(LOGIC_FAMILIES, 0.11),
}

# Who the model is and what it cannot do is not worked out.
TRACE_CHECKS: dict[str, TraceCheck] = {
    **PLAIN_TRACE_CHECKS,
    **TEXT_TRACE_CHECKS,
    **NUMBER_TRACE_CHECKS,
    **TIME_AND_UNIT_TRACE_CHECKS,
    **LOGIC_TRACE_CHECKS,
}
