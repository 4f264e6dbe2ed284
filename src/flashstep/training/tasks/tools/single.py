"""One request, one call, and an answer from its result; at times a second request after it."""

import random

from flashstep.training.tasks.base import Split
from flashstep.training.tasks.dialogue import Dialogue
from flashstep.training.tasks.script import Script
from flashstep.training.tasks.tools import request, result, setting, trace
from flashstep.training.tasks.tools.declaration import Declared, declare_some

WORDINGS = (*request.WORDINGS, *result.WORDINGS)
_SECOND_SHARE, _ANSWER_SHARE = 0.15, 0.6


def generate(rng: random.Random, split: Split) -> Dialogue:
    """Ask for something that one of the declared tools does."""
    wanted = declare_some(rng, split, 2 if rng.random() < _SECOND_SHARE else 1, [])
    tools = setting.among_others(rng, split, wanted)
    return _dialogue(rng, split, wanted, tools, setting.system_prompt(rng, split))


def about(rng: random.Random, split: Split, tools: list[Declared], system: str) -> Dialogue:
    """The same with tools that there are."""
    wanted = rng.sample(tools, 2 if len(tools) > 1 and rng.random() < _SECOND_SHARE else 1)
    return _dialogue(rng, split, wanted, tools, system)


def _dialogue(
    rng: random.Random, split: Split, wanted: list[Declared], tools: list[Declared], system: str
) -> Dialogue:
    script = Script(system)
    for declared in wanted:
        _round(rng, split, script, declared, tools)
    return setting.staged(rng, script, "tool_single", tools)


def _round(
    rng: random.Random, split: Split, script: Script, declared: Declared, tools: list[Declared]
) -> None:
    wish = request.make_request(rng, split, declared)
    asks = rng.random() < _ANSWER_SHARE
    given = result.make_result(rng, split, setting.parameter_words(tools), asks=asks)
    text, wish = request.asked_with_manners(rng, split, wish, tools)
    script.user(result.with_question(rng, split, text, given))
    script.call("\n".join(trace.call_lines(wish, tools)), [wish.call])
    result.play(rng, script, given)
