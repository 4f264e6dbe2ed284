"""The families of small logic by name; `weight` is the share within the package."""

from flashstep.training.tasks.base import Family
from flashstep.training.tasks.logic import (
    kinship,
    knights,
    legs,
    ordering,
    proposition,
    stories,
    syllogism,
)
from flashstep.training.tasks.trace_steps import TraceCheck

LOGIC_FAMILIES: dict[str, Family] = {
    "syllogism": Family(syllogism.generate, syllogism.verify, 0.16, ("syllogism",)),
    "proposition": Family(proposition.generate, proposition.verify, 0.12, ("proposition",)),
    "ordering": Family(ordering.generate, ordering.verify, 0.14, ("ordering",)),
    "kinship": Family(kinship.generate, kinship.verify, 0.14, ("kinship",)),
    "knights": Family(knights.generate, knights.verify, 0.16, ("knights",)),
    "legs": Family(legs.generate, legs.verify, 0.08, ("legs",)),
    "stories": Family(stories.generate, stories.verify, 0.20, stories.WORDINGS),
}
LOGIC_TRACE_CHECKS: dict[str, TraceCheck] = {
    "syllogism": syllogism.check_trace,
    "proposition": proposition.check_trace,
    "ordering": ordering.check_trace,
    "kinship": kinship.check_trace,
    "knights": knights.check_trace,
    "legs": legs.check_trace,
    "stories": stories.check_trace,
}
