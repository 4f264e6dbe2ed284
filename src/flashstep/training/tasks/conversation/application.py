"""Questions with one answer as applications ask them: behind instructions, with tools declared that they do not
need, after other questions."""

import random
import re
from collections.abc import Sequence
from functools import cache

from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.dialogue import Dialogue, without_breaks
from flashstep.training.tasks.grammar import normalised
from flashstep.training.tasks.question_families import FAMILIES, TRACE_CHECKS
from flashstep.training.tasks.script import Script
from flashstep.training.tasks.system_prompt import sentences, system_prompt
from flashstep.training.tasks.tools import everyday_tool
from flashstep.training.tasks.tools.everyday_tool import (
    SPLITS,
    EverydayTool,
    common_tools,
    declare,
    everyday_tools,
)
from flashstep.training.tasks.tools.summary import plain_words
from flashstep.types import Message, Tool

WORDINGS = tuple(dict.fromkeys(kind for family in FAMILIES.values() for kind in family.wordings))
# Of all, and of those with instructions.
_PROMPT_SHARE, _TOOLS_SHARE, _SECOND_SHARE = 0.75, 0.6, 0.2
_NUM_TOOLS, _NUM_WEIGHTS = (1, 2, 3, 4, 6, 8), (4, 4, 3, 2, 1.5, 1)
# Beside tools, what is not known is said in other words (`tools/abstain.py`); small talk beside them is asked there.
_NOT_WITH_TOOLS = ("outside", "identity")
# Words of tools that could be asked one of these questions.
_COULD_ANSWER = re.compile(
    r"\b(?:calc\w*|math\w*|numbers?|numer\w*|add|adds|sum|sums|arith\w*|expressions?|conver\w*|units?|dates?|days?|times?|"
    r"clock|calendars?|count\w*|words?|texts?|letters?|spell\w*|sort\w*|alphabet\w*|orders?|prime\w*|percent\w*|ages?|"
    r"roman|temperatures?|random|revers\w*|anagrams?|money|change|coins?|tips?|loans?|bmi|statist\w*|averages?|compar\w*|"
    r"larg\w*|small\w*|max\w*|min|minimum|logic\w*|puzzles?|riddles?|solve\w*|quiz\w*|answers?|questions?|search\w*|"
    r"looks?|lookup|chat|family|evaluat\w*|python|code|run|runs|execut\w*|shell|command|translat\w*|dictionar\w*|"
    r"palindromes?|factor\w*|power|root|divi\w*|multipl\w*|subtract\w*|hash|base|weekday|duration|difference|length)\b",
    re.IGNORECASE,
)
# Instructions may tell it.
_ASKS_THE_DATE = re.compile(r"\b(?:today|date|day|time|year|month|clock|now)\b", re.IGNORECASE)


def generate(rng: random.Random, split: Split) -> Dialogue:
    """One question, at times two."""
    return _dialogue(rng, split, *_setting(rng, split))


def generate_set(rng: random.Random, split: Split, num: int) -> list[Dialogue]:
    """`num` conversations with the same instructions and tools."""
    system, tools = _setting(rng, split)
    return [_dialogue(rng, split, system, tools) for _ in range(num)]


def verify(dialogue: Dialogue, turn: int, message: Message) -> bool:
    """True when the family that the question is of takes the answer, and nothing is called."""
    example = _example(dialogue, turn)
    return not message.tool_calls and FAMILIES[example.family].verify(example, message.content)


def check_trace(dialogue: Dialogue, turn: int, message: Message) -> bool:
    """True when the reasoning leads to the answer; where nothing is worked out, when it is the recorded one."""
    example = _example(dialogue, turn)
    if check := TRACE_CHECKS.get(example.family):
        return check(example.question, message.reasoning or "", message.content)
    return message.reasoning == without_breaks(dialogue.messages[turn]).reasoning


def in_both_splits() -> list[str]:
    """Sentences of instructions, names of tools and texts of requests that both splits have."""
    train, held_out = ({normalised(sentence) for sentence in sentences(split)} for split in SPLITS)
    return [*sorted(train & held_out), *everyday_tool.in_both_splits()]


def _example(dialogue: Dialogue, turn: int) -> Example:
    truth = dialogue.truth(turn)
    question = dialogue.messages[turn - 1].content
    return Example(truth.family, question, "", "", truth.key, truth.subject)


def _setting(rng: random.Random, split: Split) -> tuple[str, Sequence[Tool]]:
    system = system_prompt(rng, split) if rng.random() < _PROMPT_SHARE else ""
    is_plain = system and rng.random() > _TOOLS_SHARE
    return system, [] if is_plain else _tools(rng, split)


def _tools(rng: random.Random, split: Split) -> list[Tool]:
    """Tools that do something else, every other one of those that everybody tries first."""
    num = rng.choices(_NUM_TOOLS, _NUM_WEIGHTS)[0]
    entries = [rng.choice(_unrelated(split, is_common=rng.random() < 0.5)) for _ in range(num)]
    tools = [declare(rng, entry).tool for entry in entries]
    return list({tool.name: tool for tool in tools}.values())


@cache
def _unrelated(split: Split, *, is_common: bool) -> tuple[EverydayTool, ...]:
    """Tools of which no spelling could be asked one of these questions."""
    entries = common_tools(split) if is_common else everyday_tools(split)
    return tuple(
        entry for entry in entries
        if not any(_COULD_ANSWER.search(plain_words(text)) for text in (*entry.names, *entry.descriptions))
    )  # fmt: skip


def _dialogue(rng: random.Random, split: Split, system: str, tools: Sequence[Tool]) -> Dialogue:
    weights = {
        name: family.weight for name, family in FAMILIES.items() if not (tools and name in _NOT_WITH_TOOLS)
    }
    script, subjects = Script(system), []
    for _ in range(2 if rng.random() < _SECOND_SHARE else 1):
        [name] = rng.choices(list(weights), list(weights.values()))
        example = FAMILIES[name].generate(rng, split)
        while system and name == "outside" and _ASKS_THE_DATE.search(example.question):
            example = FAMILIES[name].generate(rng, split)
        script.example(example)
        subjects += [example.subject] if FAMILIES[name].holds_out_subjects else []
    return script.dialogue("talk_application", subjects, tools)
