"""A call fails: the same again, again with what the error proposes, or an end with the reason."""

import json
import random
from dataclasses import replace
from typing import Any

from flashstep.training.tasks.base import Split
from flashstep.training.tasks.dialogue import Dialogue, Truth
from flashstep.training.tasks.script import Script
from flashstep.training.tasks.tools import request, result, setting, trace
from flashstep.training.tasks.tools.declaration import Declared, declare
from flashstep.training.tasks.tools.parameters import Parameter, simple_value
from flashstep.training.tasks.tools.request import Request

WORDINGS = (*request.WORDINGS, *result.WORDINGS)
_PASSING = (
    "timeout, please try again", "temporarily unavailable, retry", "connection lost, try again",
    "rate limit, call again", "busy, try once more", "server restarted, repeat the call",
)  # fmt: skip
_FINAL = (
    "permission denied", "not allowed for this account", "the {n} no longer exists", "the {n} is closed",
    "quota used up until tomorrow",
)  # fmt: skip
# Of a required argument that was given; without another one the call could be made again.
_FINAL_ON_ARGUMENT = ("{p} is not known", "{p} has been removed")
_PROPOSALS = (
    "invalid {p}: {v}; use {w}", "{p} must be {w}", "{p} {v} was renamed to {w}", "expected {w} as {p}, got {v}",
)  # fmt: skip
# Whom or where somebody meant instead is a thing to ask.
_GUESSES = ("{p} {v} is not known, did you mean {w}?", "no {p} {v}, the nearest is {w}")


def generate(rng: random.Random, split: Split) -> Dialogue:
    """Ask for something; the tool's first answer is an error."""
    declared = declare(rng, split, num_parameters=rng.choice((1, 2, 2, 3)))
    wish = request.make_request(rng, split, declared)
    tools = setting.among_others(rng, split, [declared])
    return _dialogue(rng, split, wish, tools, setting.system_prompt(rng, split))


def about(rng: random.Random, split: Split, tools: list[Declared], system: str) -> Dialogue | None:
    """The same with tools that there are; None when none of them has a parameter."""
    suited = [declared for declared in tools if declared.parameters]
    if not suited:
        return None
    return _dialogue(rng, split, request.make_request(rng, split, rng.choice(suited)), tools, system)


def _dialogue(
    rng: random.Random, split: Split, wish: Request, tools: list[Declared], system: str
) -> Dialogue:
    script = Script(system)
    text, wish = request.asked_with_manners(rng, split, wish, tools)
    script.user(text)
    script.call("\n".join(trace.call_lines(wish, tools)), [wish.call])
    changeable = _changeable(wish)
    if rng.random() < 0.3:
        _give_up(rng, script, wish)
    elif changeable and rng.random() < 0.6:
        _change(rng, split, script, wish, rng.choice(changeable), tools)
    else:
        error = rng.choice(_PASSING)
        script.results(_error(rng, error))
        _again(rng, split, script, f"Error: {error}. The same again.", wish, tools)
    return setting.staged(rng, script, "tool_retry", tools)


def _changeable(wish: Request) -> list[Parameter]:
    kinds = ("place", "person", "code", "date", "integer")
    return [p for p in wish.declared.parameters if p.kind in kinds and p.name in wish.arguments]


def _give_up(rng: random.Random, script: Script, wish: Request) -> None:
    given = [p.words for p in wish.declared.parameters if p.is_required and p.name in wish.arguments]
    form = rng.choice((*_FINAL, *_FINAL_ON_ARGUMENT) if given else _FINAL)
    error = form.format(p=given[0] if given else "", n=wish.declared.noun)
    script.results(_error(rng, error))
    script.answer(f"Error: {error}. No second try helps.", f"That failed: {error}.", Truth(error))


def _change(
    rng: random.Random, split: Split, script: Script, wish: Request, wrong: Parameter, tools: list[Declared]
) -> None:
    """The error names the value to be used instead."""
    better = _other_value(rng, split, wrong, wish.arguments[wrong.name])
    forms = _PROPOSALS if wrong.kind in ("person", "place") else (*_PROPOSALS, *_GUESSES)
    error = rng.choice(forms).format(p=wrong.name, v=wish.arguments[wrong.name], w=better)
    script.results(_error(rng, error))
    second = replace(wish, arguments={**wish.arguments, wrong.name: better})
    reasoning = f"Error: {error}. Again with {wrong.name}: {trace.shown(better)}"
    _again(rng, split, script, reasoning, second, tools)


def _other_value(rng: random.Random, split: Split, parameter: Parameter, value: Any) -> Any:
    while True:
        other = simple_value(rng, split, parameter.kind)
        if other != value:
            return other


def _again(
    rng: random.Random, split: Split, script: Script, reasoning: str, wish: Request, tools: list[Declared]
) -> None:
    script.call("\n".join([reasoning, wish.declared.tool.name, *trace.argument_lines(wish)]), [wish.call])
    given = result.make_result(rng, split, setting.parameter_words(tools))
    result.play(rng, script, given)


def _error(rng: random.Random, text: str) -> str:
    """An error as tools report it."""
    forms = ({"error": text}, {"status": "error", "message": text}, {"ok": False, "error": text}, text)
    form = rng.choice(forms)
    return f"Error: {form}" if isinstance(form, str) else json.dumps(form, ensure_ascii=False)
