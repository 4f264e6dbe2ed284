"""Up to five calls of which each needs a value that the one before gave.

The reasoning before a further call begins with the words of the user that ask for it ("> then use its code to
book a table"), so that no step is passed over.
"""

import random
from dataclasses import replace

from flashstep.training.tasks.base import Split
from flashstep.training.tasks.dialogue import Dialogue, Truth
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.script import Script
from flashstep.training.tasks.tools import request, result, setting, trace
from flashstep.training.tasks.tools.declaration import Declared, declare, is_different
from flashstep.training.tasks.tools.parameters import Parameter, make_parameter
from flashstep.training.tasks.tools.request import Request
from flashstep.training.tasks.tools.result import Result
from flashstep.training.tasks.wording import wrap

WORDINGS = (*request.WORDINGS, *result.WORDINGS, "tool_step")
MAX_CALLS = 5
_LINK_KINDS = ("code", "code", "person", "place", "integer", "number", "email", "path")


def generate(rng: random.Random, split: Split, num_calls: int | None = None) -> Dialogue:
    """Ask for 2 to 5 things in a row (num_calls: exactly so many)."""
    num = num_calls or rng.choices(range(2, MAX_CALLS + 1), (4, 4, 2, 1))[0]
    links, steps = _steps(rng, split, num)
    tools = setting.among_others(rng, split, steps)
    return _dialogue(rng, split, links, steps, tools, setting.system_prompt(rng, split))


def about(rng: random.Random, split: Split, tools: list[Declared], system: str) -> Dialogue | None:
    """The same with tools that there are; None when no two of them can follow each other."""
    first, *others = rng.sample(tools, len(tools))
    steps: list[Declared] = [first]
    links: list[Parameter] = []
    for step in others[: MAX_CALLS - 1]:
        known = {link.words for link in links}
        suited = [p for p in step.parameters if p.kind in _LINK_KINDS and p.words not in known]
        if suited:
            links.append(rng.choice(suited))
            steps.append(step)
    if not links:
        return None
    num = min(len(links), rng.choice((1, 1, 2, 3)))
    return _dialogue(rng, split, links[:num], steps[: num + 1], tools, system)


def _dialogue(
    rng: random.Random, split: Split, links: list[Parameter], steps: list[Declared], tools: list[Declared],
    system: str,
) -> Dialogue:  # fmt: skip
    taken = setting.parameter_words(tools)
    results = [result.make_result(rng, split, taken, link=link) for link in links]
    results.append(result.make_result(rng, split, taken, asks=rng.random() < 0.7))
    wishes = _wishes(rng, split, steps, links, results)
    text, wishes[0] = request.asked(rng, split, wishes[0], tools)
    separator = rng.choice((", ", ", ", ". ", "; "))
    said_steps = _said_steps(rng, split, wishes[1:], links, begins_sentence=separator == ". ")
    script = Script(system)
    text = wrap(rng, split, _as_sentence(rng, [text.rstrip(".?!"), *said_steps], wishes, separator))
    script.user(result.with_question(rng, split, text, results[-1]))
    _play(rng, script, wishes, said_steps, results, tools)
    return setting.staged(rng, script, "tool_chain", tools)


def _steps(rng: random.Random, split: Split, num: int) -> tuple[list[Parameter], list[Declared]]:
    """`num` tools, and the parameters that link each of them to the one before."""
    taken: set[str] = set()
    links: list[Parameter] = []
    steps = [declare(rng, split, num_parameters=rng.choice((0, 1, 1, 2)))]
    while len(steps) < num:
        kind = rng.choice(_LINK_KINDS)
        link = make_parameter(rng, split, is_camel=rng.random() < 0.1, taken=taken, kind=kind)
        link = replace(link, is_required=True)
        step = declare(rng, split, link=link, num_parameters=rng.choice((0, 0, 0, 1)))
        # What the user gives has another name than what is taken over, or "with that city" would be either.
        given = {p.words for other in steps for p in other.parameters if p not in links}
        others = {p.words for p in step.parameters if p != link}
        is_clear = link.words not in given and not others & {each.words for each in (*links, link)}
        if is_clear and all(is_different(step, other) for other in steps):
            links.append(link)
            steps.append(step)
    return links, steps


def _wishes(
    rng: random.Random, split: Split, steps: list[Declared], links: list[Parameter], results: list[Result]
) -> list[Request]:
    wishes = [request.make_request(rng, split, steps[0])]
    for step, link, given in zip(steps[1:], links, results[:-1], strict=True):
        wishes.append(request.make_request(rng, split, step, **{link.name: given.values[link.name]}))
    return wishes


def _said_steps(
    rng: random.Random, split: Split, wishes: list[Request], links: list[Parameter], *, begins_sentence: bool
) -> list[str]:
    """Each further request with what it takes over: "use its code to book a table"."""
    said = []
    for wish, link in zip(wishes, links, strict=True):
        step = wordings("tool_step", split).choose(rng).format(t=wish.task, p=link.words).rstrip(".")
        said.append(step[0].upper() + step[1:] if begins_sentence else step)
    return said


def _as_sentence(rng: random.Random, said: list[str], wishes: list[Request], separator: str) -> str:
    """What is said of each request, from the second on with its arguments that are not taken over."""
    first, *steps = said
    for step, wish in zip(steps, wishes[1:], strict=True):
        others = request.said_arguments(rng, wish)
        first += separator + step + (f" and {others}" if others else "")
    return first + "."


def _play(
    rng: random.Random, script: Script, wishes: list[Request], said_steps: list[str], results: list[Result],
    tools: list[Declared],
) -> None:  # fmt: skip
    for number, (wish, given) in enumerate(zip(wishes, results, strict=True), 1):
        quoted = [trace.quote(said_steps[number - 2])] if number > 1 else []
        script.call("\n".join([*quoted, *trace.call_lines(wish, tools, f"Step {number}")]), [wish.call])
        script.results(given.content(rng))
    last = results[-1]
    script.answer(
        "\n".join(["All done.", *last.lines()]), last.sentence(), Truth("\n".join(last.told_values()))
    )
