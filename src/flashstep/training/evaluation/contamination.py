"""The proof that what is asked in an evaluation is held out."""

from collections.abc import Iterable

from flashstep.training.evaluation.item import Item
from flashstep.training.tasks.base import Split, split_of
from flashstep.training.tasks.grammar import normalised
from flashstep.training.tasks.question_families import FAMILIES
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.registry import DIALOGUE_FAMILIES


def find_contamination(items: Iterable[Item]) -> list[str]:
    """What, if anything, of these items the train generators could produce; empty = nothing.

    Train generators emit only subjects whose `split_of` is "train" and wordings of their own list, so
    it is enough that no eval subject has that split and no wording is on both lists. Wordings that
    differ in case or punctuation only count as the same.
    """
    items = list(items)
    leaks = []
    for name in dict.fromkeys(item.family for item in items):
        for kind in _kinds(name):
            both = _normalised(kind, "train") & _normalised(kind, "eval")
            leaks += [f"{name}: wording '{wording}' is in both lists" for wording in sorted(both)]
        family = DIALOGUE_FAMILIES.get(name)
        if family and family.in_both_splits:
            leaks += [f"{name}: '{text}' is in both lists" for text in family.in_both_splits()]
    for item in items:
        trained = [subject for subject in item.subjects if split_of(subject) == "train"]
        leaks += [f"{item.family}: subject '{subject}' belongs to the train split" for subject in trained]
    return leaks


def _kinds(family: str) -> tuple[str, ...]:
    """The lists that questions of a family come from; none for what our families do not ask."""
    if family in FAMILIES:
        return FAMILIES[family].wordings
    return DIALOGUE_FAMILIES[family].wordings if family in DIALOGUE_FAMILIES else ()


def _normalised(kind: str, split: Split) -> set[str]:
    return {normalised(text) for text in wordings(kind, split).all()}
