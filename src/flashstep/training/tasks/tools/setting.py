"""What surrounds a request: the tools that are declared besides, and a system prompt."""

import random
from collections.abc import Sequence

from flashstep.training.tasks.base import Split
from flashstep.training.tasks.dialogue import Dialogue
from flashstep.training.tasks.script import Script
from flashstep.training.tasks.system_prompt import system_prompt as long_prompt
from flashstep.training.tasks.tools.declaration import Declared, declare_some

_SYSTEM_PROMPTS = (
    "You are a helpful assistant.", "You are an assistant with tools.", "Use the tools when they help.",
    "Answer briefly.", "You are a careful agent.", "Call a function only when it is needed.",
)  # fmt: skip
_FORGETFUL_SHARE, _LONG_SHARE = 0.3, 0.25
_NUM_OTHERS, _OTHERS_WEIGHTS = (0, 1, 2, 3, 4), (2, 4, 4, 2, 1)


def system_prompt(rng: random.Random, split: Split) -> str:
    """Usually none; in training at times one of many sentences."""
    if split == "train" and rng.random() < _LONG_SHARE:
        return long_prompt(rng, split)
    return rng.choice(_SYSTEM_PROMPTS) if rng.random() < 0.2 else ""


def among_others(rng: random.Random, split: Split, wanted: list[Declared]) -> list[Declared]:
    """The wanted tools and up to four others, shuffled."""
    num = rng.choices(_NUM_OTHERS, _OTHERS_WEIGHTS)[0]
    tools = [*wanted, *declare_some(rng, split, max(0, min(num, 6 - len(wanted))), wanted)]
    rng.shuffle(tools)
    return tools


def parameter_words(tools: Sequence[Declared]) -> set[str]:
    """Every parameter name in use, so that a result's names differ from them."""
    return {parameter.words for declared in tools for parameter in declared.parameters}


def staged(rng: random.Random, script: Script, family: str, tools: list[Declared]) -> Dialogue:
    """The dialogue that `script` tells with these tools declared; at times as a client has it that does
    not send reasoning back."""
    subjects = [subject for declared in tools for subject in declared.subjects]
    dialogue = script.dialogue(family, subjects, [declared.tool for declared in tools])
    is_forgetful = len(dialogue.turns) > 1 and rng.random() < _FORGETFUL_SHARE
    return dialogue.last_alone() if is_forgetful else dialogue
