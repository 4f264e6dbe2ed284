"""Several independent calls in one turn: different requests, or one request for several values."""

import itertools
import random
from collections.abc import Sequence
from dataclasses import replace

from flashstep.training.tasks.base import Split
from flashstep.training.tasks.dialogue import PARTS, Dialogue, Truth
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.script import Script
from flashstep.training.tasks.tools import request, result, setting, trace
from flashstep.training.tasks.tools.declaration import Declared, declare, declare_some
from flashstep.training.tasks.tools.parameters import Parameter, make_parameter, simple_value
from flashstep.training.tasks.tools.request import Request
from flashstep.training.tasks.tools.result import Result
from flashstep.training.tasks.wording import wrap

WORDINGS = (*request.WORDINGS, *result.WORDINGS, "tool_parallel", "tool_each")
_EACH_SHARE = 0.5
_EACH_KINDS = ("place", "person", "code", "date", "integer", "text")


def generate(rng: random.Random, split: Split) -> Dialogue:
    """Ask for two to four things at once."""
    make = _one_for_each if rng.random() < _EACH_SHARE else _different
    wishes, text = make(rng, split)
    wanted = list({wish.declared.tool.name: wish.declared for wish in wishes}.values())
    tools = setting.among_others(rng, split, wanted)
    return _dialogue(rng, split, wishes, text, tools, setting.system_prompt(rng, split))


def about(rng: random.Random, split: Split, tools: list[Declared], system: str) -> Dialogue | None:
    """The same with tools that there are; None when they do not allow it."""
    suited = [(declared, p) for declared in tools for p in declared.parameters if p.kind in _EACH_KINDS]
    if suited and rng.random() < _EACH_SHARE:
        wishes, text = _for_each_value(rng, split, *rng.choice(suited))
    elif len(tools) > 1:
        wishes, text = _listed(rng, split, rng.sample(tools, min(len(tools), rng.choice((2, 2, 3, 4)))))
    else:
        return None
    return _dialogue(rng, split, wishes, text, tools, system)


def _dialogue(
    rng: random.Random, split: Split, wishes: list[Request], text: str, tools: list[Declared], system: str
) -> Dialogue:
    script = Script(system)
    play(rng, split, script, wishes, text, tools)
    return setting.staged(rng, script, "tool_parallel", tools)


def play(
    rng: random.Random, split: Split, script: Script, wishes: list[Request], text: str,
    tools: Sequence[Declared],
) -> None:  # fmt: skip
    """One turn: the user asks for all `wishes` with `text`, they are called at once, their results told."""
    results = _results(rng, split, wishes, tools)
    script.user(result.with_question(rng, split, wrap(rng, split, text), results[0]))
    script.call("\n".join(_call_lines(wishes, tools)), [wish.call for wish in wishes])
    script.results(*(given.content(rng) for given in results))
    _answer(script, results)


def _call_lines(wishes: list[Request], tools: Sequence[Declared]) -> list[str]:
    """The calls one after another; the tool is searched for where it is another than before."""
    lines = trace.call_lines(wishes[0], tools, "Call 1")
    for number, (before, wish) in enumerate(itertools.pairwise(wishes), 2):
        if wish.declared == before.declared:
            lines += trace.once_more_lines(wish, number)
        else:
            lines += trace.call_lines(wish, tools, f"Call {number}")
    return lines


def _different(rng: random.Random, split: Split) -> tuple[list[Request], str]:
    """Requests for different tools, as a list."""
    return _listed(rng, split, declare_some(rng, split, rng.choice((2, 2, 3, 4)), []))


def _listed(rng: random.Random, split: Split, wanted: list[Declared]) -> tuple[list[Request], str]:
    wishes = [request.make_request(rng, split, declared) for declared in wanted]
    tasks = [_task(rng, wish) for wish in wishes]
    text = rng.choice((_as_sentence, _as_lines))(rng, tasks)
    return wishes, wordings("tool_parallel", split).choose(rng).format(a=text)


def _one_for_each(rng: random.Random, split: Split) -> tuple[list[Request], str]:
    """One task for each of several values of one parameter; the other arguments are shared."""
    kind = rng.choice(_EACH_KINDS)
    varied = make_parameter(rng, split, is_camel=rng.random() < 0.2, taken=set(), kind=kind)
    varied = replace(varied, is_required=True)
    declared = declare(rng, split, link=varied, num_parameters=rng.choice((0, 0, 1, 2)))
    return _for_each_value(rng, split, declared, varied)


def _for_each_value(
    rng: random.Random, split: Split, declared: Declared, varied: Parameter
) -> tuple[list[Request], str]:
    values = list(
        dict.fromkeys(simple_value(rng, split, varied.kind) for _ in range(rng.choice((2, 3, 3, 4))))
    )
    first = request.make_request(rng, split, declared, **{varied.name: values[0]})
    wishes = [replace(first, arguments={**first.arguments, varied.name: value}) for value in values]
    said = request.listing([request.said_value(rng, varied, value) for value in values], rng)
    text = _said_for_each(rng, split, first, varied, said)
    wishes[0] = replace(first, said={varied.name: said, **first.said}, each={varied.name: values})
    return wishes, text


def _said_for_each(rng: random.Random, split: Split, wish: Request, varied: Parameter, said: str) -> str:
    """said: the values."""
    text = wordings("tool_each", split).choose(rng).format(t=wish.task, p=varied.words, v=said)
    shared = request.said_arguments(rng, wish)
    return f"{text.rstrip('.?!')}, {rng.choice(('', 'always ', 'all '))}{shared}." if shared else text


def _task(rng: random.Random, wish: Request) -> str:
    said = request.said_arguments(rng, wish)
    return f"{wish.task}: {said}" if said and rng.random() < 0.3 else f"{wish.task} {said}".strip()


def _as_sentence(rng: random.Random, tasks: list[str]) -> str:
    return "; ".join(tasks[:-1]) + rng.choice(("; ", "; and ", "; also ")) + tasks[-1]


def _as_lines(rng: random.Random, tasks: list[str]) -> str:
    numbered = rng.random() < 0.6
    return "".join(f"\n{f'{i}.' if numbered else '-'} {task}" for i, task in enumerate(tasks, 1))


def _results(
    rng: random.Random, split: Split, wishes: list[Request], tools: Sequence[Declared]
) -> list[Result]:
    """One result a call. The same tool gives the same names."""
    taken = setting.parameter_words(tools)
    if len({wish.declared.tool.name for wish in wishes}) > 1:
        return [result.make_result(rng, split, set(taken), most=2) for _ in wishes]
    first = result.make_result(rng, split, taken, asks=rng.random() < 0.5, most=2)
    values = [{f.name: simple_value(rng, split, f.kind) for f in first.fields} for _ in wishes]
    return [Result(first.fields, new, first.asked) for new in values]


def _answer(script: Script, results: list[Result]) -> None:
    """Every result on a line of its own, numbered like its call."""
    told = [", ".join(f"{f.words}: {r.values[f.name]}" for f in r.told) for r in results]
    lines = [f"Result {i}: " + ", ".join(given.lines()) for i, given in enumerate(results, 1)]
    content = "\n".join(f"{i}. {text}" for i, text in enumerate(told, 1))
    keys = [PARTS.join(given.told_values()) for given in results]
    script.answer("\n".join(lines), content, Truth("\n".join(keys)))
