"""Questions with one answer as applications ask them: behind instructions, with tools declared that they do not
need, after other questions."""

import random
import re
from collections.abc import Sequence

from flashstep.training.tasks.base import Example, Split
from flashstep.training.tasks.dialogue import Dialogue
from flashstep.training.tasks.question_families import FAMILIES, TRACE_CHECKS
from flashstep.training.tasks.script import Script
from flashstep.training.tasks.system_prompt import system_prompt
from flashstep.training.tasks.tools.everyday_tool import common_tools, declare, everyday_tools
from flashstep.types import Message, Tool

WORDINGS = tuple(dict.fromkeys(kind for family in FAMILIES.values() for kind in family.wordings))
_PROMPT_SHARE, _TOOLS_SHARE, _SECOND_SHARE = 0.75, 0.6, 0.2
_NUM_TOOLS, _NUM_WEIGHTS = (1, 2, 3, 4, 6, 8), (4, 4, 3, 2, 1.5, 1)
# With tools, what no tool does is said in other words (`tools/abstain.py`).
_NOT_WITH_TOOLS = ("outside", "identity")
# Tools that could be asked one of these questions.
_COULD_ANSWER = re.compile(
    r"calc|math|number|numer|\badd\b|sum|arith|expression|convert|conversion|unit|date|day|time|clock|calendar|count"
    r"|word|text|letter|spell|sort|order|prime|percent|age|roman|temp|random|revers|anagram|money|change|coin|tip|loan"
    r"|bmi|statist|average|compar|larg|small|max|min|logic|puzzle|riddle|solve|quiz|answer|question|search|look|chat"
    r"|family|evaluat|python|code|run|execut|translat|dictionar|palindrom|factor|power|root|divi|multipl|subtract|hash|base",
    re.IGNORECASE,
)


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
    """True when the reasoning leads to the answer, or nobody can tell."""
    example = _example(dialogue, turn)
    check = TRACE_CHECKS.get(example.family)
    return check is None or check(example.question, message.reasoning or "", message.content)


def _example(dialogue: Dialogue, turn: int) -> Example:
    truth = dialogue.truth(turn)
    question = dialogue.messages[turn - 1].content
    return Example(truth.family, question, "", "", truth.key, truth.subject)


def _setting(rng: random.Random, split: Split) -> tuple[str, Sequence[Tool]]:
    system = system_prompt(rng, split) if rng.random() < _PROMPT_SHARE else ""
    is_plain = system and rng.random() > _TOOLS_SHARE
    return system, [] if is_plain else _tools(rng, split)


def _tools(rng: random.Random, split: Split) -> list[Tool]:
    """Tools that do something else."""
    entries = [*common_tools(split), *rng.sample(everyday_tools(split), 30)]
    rng.shuffle(entries)
    num = rng.choices(_NUM_TOOLS, _NUM_WEIGHTS)[0]
    tools: dict[str, Tool] = {}
    for entry in entries:
        tool = declare(rng, entry).tool
        if len(tools) < num and not _COULD_ANSWER.search(f"{tool.name} {tool.description}".replace("_", " ")):
            tools[tool.name] = tool
    return list(tools.values())


def _dialogue(rng: random.Random, split: Split, system: str, tools: Sequence[Tool]) -> Dialogue:
    weights = {
        name: family.weight for name, family in FAMILIES.items() if not (tools and name in _NOT_WITH_TOOLS)
    }
    script, subjects = Script(system), []
    for _ in range(2 if rng.random() < _SECOND_SHARE else 1):
        [name] = rng.choices(list(weights), list(weights.values()))
        example = FAMILIES[name].generate(rng, split)
        script.example(example)
        subjects += [example.subject] if FAMILIES[name].holds_out_subjects else []
    return script.dialogue("talk_application", subjects, tools)
