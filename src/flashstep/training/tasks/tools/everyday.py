"""Conversations about the tools of `everyday_tool.py`."""

import random
from collections.abc import Sequence

from flashstep.training.tasks import identity
from flashstep.training.tasks.base import Split
from flashstep.training.tasks.dialogue import Dialogue, Truth
from flashstep.training.tasks.script import Script
from flashstep.training.tasks.short_questions import SHORT_WORDINGS, short_example, small_talk
from flashstep.training.tasks.tools import parallel, result, setting, trace
from flashstep.training.tasks.tools.declaration import Declared
from flashstep.training.tasks.tools.everyday_request import make_request, make_several
from flashstep.training.tasks.tools.everyday_tool import EverydayTool, common_tools, declare, everyday_tools
from flashstep.training.tasks.tools.judge import NO_TOOL
from flashstep.training.tasks.tools.request import Request

WORDINGS = (
    *result.WORDINGS, *identity.WORDINGS, *SHORT_WORDINGS,
)  # fmt: skip
_MISSING_SHARE, _PLAIN_SHARE, _ANSWER_SHARE = 0.2, 0.1, 0.4
# Of what training draws; the evaluation asks for the common tools in a row of their own.
_COMMON_SHARE, _SEVERAL_SHARE = 0.7, 0.12
# How many tools are declared besides the wanted one, with weights. Agents of real life declare more than an
# evaluation has time to read.
_NUM_OTHERS: dict[Split, dict[int, float]] = {
    "train": {0: 5, 1: 5, 2: 3, 3: 2, 4: 1, 6: 0.8, 9: 0.5, 13: 0.3},
    "eval": {0: 5, 1: 5, 2: 3, 3: 2, 4: 1},
}


def generate(rng: random.Random, split: Split) -> Dialogue:
    """Ask for what one of the declared tools does; at times for what none does, or what needs none."""
    return _generate(rng, split, _pool(rng, split))


def generate_common(rng: random.Random, split: Split) -> Dialogue:
    """The same with tools that everybody tries first."""
    return _generate(rng, split, common_tools(split))


def _generate(rng: random.Random, split: Split, pool: Sequence[EverydayTool]) -> Dialogue:
    wanted, *others = _some(rng, pool, 1 + _num_others(rng, split))
    draw = rng.random()
    is_declared = draw >= _MISSING_SHARE or not others
    declared = declare(rng, wanted)
    tools = [*([declared] if is_declared else []), *(declare(rng, other) for other in others)]
    rng.shuffle(tools)
    is_plain = _MISSING_SHARE <= draw < _MISSING_SHARE + _PLAIN_SHARE
    system = setting.system_prompt(rng, split)
    return _dialogue(rng, split, None if is_plain else (wanted, declared), tools, system)


def generate_set(rng: random.Random, split: Split, num: int) -> list[Dialogue]:
    """`num` conversations with the same tools declared."""
    missing, *entries = _some(rng, _pool(rng, split), 2 + _num_others(rng, split))
    declared = [(entry, declare(rng, entry)) for entry in entries]
    tools, system = [tool for _, tool in declared], setting.system_prompt(rng, split)
    dialogues = []
    for _ in range(num):
        draw = rng.random()
        wanted = (missing, declare(rng, missing)) if draw < _MISSING_SHARE else rng.choice(declared)
        is_plain = draw > 1 - _PLAIN_SHARE
        dialogues.append(_dialogue(rng, split, None if is_plain else wanted, tools, system))
    return dialogues


def _dialogue(
    rng: random.Random, split: Split, wanted: tuple[EverydayTool, Declared] | None, tools: Sequence[Declared],
    system: str,
) -> Dialogue:  # fmt: skip
    """wanted: the tool that is asked for; None = a question that needs none."""
    script = Script(system)
    if wanted is None:
        kinds = ("greeting", "thanks", "self", "abilities")
        script.example(small_talk(rng, split, *kinds) if rng.random() < 0.3 else short_example(rng, split))
    elif several := _several(rng, split, wanted, tools):
        text, wishes = several
        parallel.play(rng, split, script, wishes, text, tools)
    else:
        _round(rng, split, script, make_request(rng, split, *wanted), tools)
    return script.dialogue("tool_everyday", (), [declared.tool for declared in tools])


def _round(
    rng: random.Random, split: Split, script: Script, asked: tuple[str, Request], tools: Sequence[Declared]
) -> None:
    text, wish = asked
    if wish.declared not in tools:
        script.user(text)
        script.answer(
            "\n".join(trace.refusal_lines(wish, tools)), f"I have {NO_TOOL} for that.", Truth(NO_TOOL)
        )
        return
    asks = rng.random() < _ANSWER_SHARE
    given = result.make_result(rng, split, setting.parameter_words(tools), asks=asks)
    script.user(result.with_question(rng, split, text, given))
    script.call("\n".join(trace.call_lines(wish, tools)), [wish.call])
    result.play(rng, script, given)


def _several(
    rng: random.Random, split: Split, wanted: tuple[EverydayTool, Declared], tools: Sequence[Declared]
) -> tuple[str, list[Request]] | None:
    """At times a request for several values of one parameter."""
    is_asked = split == "train" and wanted[1] in tools and rng.random() < _SEVERAL_SHARE
    return make_several(rng, split, *wanted) if is_asked else None


def _pool(rng: random.Random, split: Split) -> Sequence[EverydayTool]:
    """What tools are drawn from."""
    is_common = split == "train" and rng.random() < _COMMON_SHARE
    return common_tools(split) if is_common else everyday_tools(split)


def _num_others(rng: random.Random, split: Split) -> int:
    numbers = _NUM_OTHERS[split]
    return rng.choices(list(numbers), list(numbers.values()))[0]


def _some(rng: random.Random, pool: Sequence[EverydayTool], num: int) -> list[EverydayTool]:
    """`num` tools of the pool, no two about the same."""
    tools = list(pool)
    rng.shuffle(tools)
    by_topic = {entry.topic: entry for entry in tools}
    return rng.sample(list(by_topic.values()), num)
