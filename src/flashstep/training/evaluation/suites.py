"""The suites of an evaluation by name, and their items."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from flashstep.errors import ConfigError
from flashstep.training.evaluation.gym import PREFIX, gym_families, gym_items
from flashstep.training.evaluation.item import Item, dialogue_item, question_item
from flashstep.training.tasks import letters
from flashstep.training.tasks.base import Split
from flashstep.training.tasks.conversation.families import CONVERSATION_FAMILIES
from flashstep.training.tasks.long_context.families import LONG_CONTEXT_FAMILIES, LONG_GENERATORS
from flashstep.training.tasks.long_context.haystack import (
    DEFAULT_TOKENS,
    CountTokens,
    estimated_tokens,
)
from flashstep.training.tasks.question_families import FAMILIES, TRACE_CHECKS
from flashstep.training.tasks.registry import DIALOGUE_FAMILIES
from flashstep.training.tasks.tools import chain, everyday
from flashstep.training.tasks.tools.families import TOOL_FAMILIES

SUITES: dict[str, Callable[[], tuple[str, ...]]] = {
    "core": lambda: (*FAMILIES, *CONVERSATION_FAMILIES),
    "tools": lambda: tuple(TOOL_FAMILIES),
    "long": lambda: tuple(LONG_CONTEXT_FAMILIES),
    "gym": gym_families,
}


def families_of(suites: Sequence[str], only: Sequence[str] = ()) -> list[str]:
    """The families of these suites, or of them those in `only`, each once. ConfigError for a name that is
    unknown."""
    for suite in suites:
        if suite not in SUITES:
            raise ConfigError(f"no suite is called '{suite}'; there are: {', '.join(SUITES)}")
    names = [name for suite in suites for name in SUITES[suite]()]
    for name in only:
        if name not in names:
            raise ConfigError(f"no task family is called '{name}'; there are: {', '.join(names)}")
    return list(dict.fromkeys(only or names))


def eval_items(
    families: Sequence[str], n: int, seed: int, *, split: Split = "eval",
    long_tokens: Sequence[int] = (DEFAULT_TOKENS,), count_tokens: CountTokens = estimated_tokens,
) -> list[Item]:  # fmt: skip
    """The `n` items of each family that `seed` stands for, family by family; `n` for each length (in tokens)
    of the families of long texts, `n` more for the further row of some. split: "train" for what training
    draws from, too."""
    items: list[Item] = []
    for name in families:
        if name.startswith(PREFIX):
            items += gym_items(name, n, seed, split)
            continue
        lengths = long_tokens if name in LONG_GENERATORS else (0,)
        for length in lengths:
            items += [_item(name, seed, index, split, length, count_tokens) for index in range(n)]
        if name in _FURTHER:
            items += [_further_item(name, seed, index, split) for index in range(n)]
    return items


def _long_word(rng: random.Random, split: Split) -> Item:
    return question_item(letters.generate_long(rng, split), FAMILIES["letters"], TRACE_CHECKS["letters"])


def _three_calls(rng: random.Random, split: Split) -> Item:
    return dialogue_item(chain.generate(rng, split, num_calls=3), DIALOGUE_FAMILIES["tool_chain"])


def _common_tools(rng: random.Random, split: Split) -> Item:
    return dialogue_item(everyday.generate_common(rng, split), DIALOGUE_FAMILIES["tool_everyday"])


# Families that are asked once more, for what the eval split draws rarely or never: the row, and its items.
_FURTHER: dict[str, tuple[str, Callable[[random.Random, Split], Item]]] = {
    "letters": (f"letters@{letters.LONG_WORDS}", _long_word),
    "tool_chain": ("tool_chain@3", _three_calls),
    "tool_everyday": ("tool_everyday@common", _common_tools),
}


def _further_item(name: str, seed: int, index: int, split: Split) -> Item:
    label, make = _FURTHER[name]
    return replace(make(random.Random(f"{seed}:evaluation:{label}:{index}"), split), label=label)


def _item(name: str, seed: int, index: int, split: Split, length: int, count_tokens: CountTokens) -> Item:
    rng = random.Random(f"{seed}:evaluation:{name}:{index}")
    if name in FAMILIES:
        return question_item(FAMILIES[name].generate(rng, split), FAMILIES[name], TRACE_CHECKS.get(name))
    family = DIALOGUE_FAMILIES[name]
    if name not in LONG_GENERATORS:
        return dialogue_item(family.generate(rng, split), family)
    dialogue = LONG_GENERATORS[name](rng, split, length, count_tokens)
    return dialogue_item(dialogue, family, f"{name}@{length}")
