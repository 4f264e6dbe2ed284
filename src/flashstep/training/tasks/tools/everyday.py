"""Tools as applications declare them (weather, e-mail, orders, ...) and requests as people type them.

`everyday/<split>.json` has them, written by hand; the two splits share no tool and no request. The other
families of this package make up their tools and cover every schema; these have the words of real life. A
request marks the words that say what is wanted: "What is [the weather] in {0}?".
"""

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from flashstep.training.tasks import identity
from flashstep.training.tasks.base import Split
from flashstep.training.tasks.dialogue import Dialogue, Truth
from flashstep.training.tasks.grammar import normalised
from flashstep.training.tasks.script import Script
from flashstep.training.tasks.short_questions import SHORT_WORDINGS, short_example, small_talk
from flashstep.training.tasks.tools import result, setting, trace
from flashstep.training.tasks.tools.declaration import Declared
from flashstep.training.tasks.tools.judge import NO_TOOL
from flashstep.training.tasks.tools.parameters import Parameter, simple_value
from flashstep.training.tasks.tools.request import Request
from flashstep.training.tasks.tools.summary import inside_a_sentence, plain_words
from flashstep.training.tasks.wording import wrap
from flashstep.types import Tool

WORDINGS = (
    *result.WORDINGS, *identity.WORDINGS, *SHORT_WORDINGS,
)  # fmt: skip
_MISSING_SHARE, _PLAIN_SHARE, _ANSWER_SHARE, _REQUIRED_SHARE = 0.2, 0.1, 0.4, 0.9
_NUM_OTHERS, _OTHERS_WEIGHTS = (0, 1, 2, 3, 4), (5, 5, 3, 2, 1)
SPLITS: tuple[Split, ...] = ("train", "eval")
_WANTED = re.compile(r"\[(.+?)\]")
_SMALL_WORDS = "a|an|and|as|at|before|by|for|from|if|in|into|of|on|or|per|so|than|that|the|to|until|with"
_AROUND_VALUE = re.compile(
    r"(?:[\w'’-]+ ){0,2}[\"'“‘]?\{(?P<number>\d+)\}[\"'”’]?"
    rf"(?P<after>(?: (?!(?:{_SMALL_WORDS})\b)[\w'’-]+)?)"
)


@dataclass(frozen=True, slots=True)
class EverydayTool:
    """One entry: spellings to choose from, parameters with their kinds, requests with their placeholders."""

    topic: str
    names: tuple[str, ...]
    descriptions: tuple[str, ...]
    parameters: tuple[dict[str, Any], ...]
    requests: tuple["Wish", ...]


@dataclass(frozen=True, slots=True)
class Wish:
    """A request's words, with marks and placeholders, and the parameters that they set, by number."""

    text: str
    fixed: dict[int, Any]


@cache
def everyday_tools(split: Split) -> tuple[EverydayTool, ...]:
    """All tools of one split."""
    text = resources.files(__package__).joinpath("everyday", f"{split}.json").read_text(encoding="utf-8")
    return tuple(
        EverydayTool(
            entry["topic"], tuple(entry["names"]), tuple(entry["descriptions"]), tuple(entry["parameters"]),
            tuple(map(_wish, entry["requests"])),
        )
        for entry in json.loads(text)
    )  # fmt: skip


def in_both_splits() -> list[str]:
    """Names of tools and texts of requests that both splits have; there should be none."""
    train, held_out = (
        {
            normalised(text)
            for entry in everyday_tools(split)
            for text in (*entry.names, *(wish.text for wish in entry.requests))
        }
        for split in SPLITS
    )
    return sorted(train & held_out)


def generate(rng: random.Random, split: Split) -> Dialogue:
    """Ask for what one of the declared tools does; at times for what none does, or what needs none."""
    wanted, *others = _some(rng, split, 1 + rng.choices(_NUM_OTHERS, _OTHERS_WEIGHTS)[0])
    draw = rng.random()
    is_declared = draw >= _MISSING_SHARE or not others
    declared = declare(rng, wanted)
    tools = [*([declared] if is_declared else []), *(declare(rng, other) for other in others)]
    rng.shuffle(tools)
    is_plain = _MISSING_SHARE <= draw < _MISSING_SHARE + _PLAIN_SHARE
    system = setting.system_prompt(rng)
    return _dialogue(rng, split, None if is_plain else (wanted, declared), tools, system)


def generate_set(rng: random.Random, split: Split, num: int) -> list[Dialogue]:
    """`num` conversations with the same tools declared."""
    missing, *entries = _some(rng, split, 2 + rng.choices(_NUM_OTHERS, _OTHERS_WEIGHTS)[0])
    declared = [(entry, declare(rng, entry)) for entry in entries]
    tools, system = [tool for _, tool in declared], setting.system_prompt(rng)
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
    else:
        _round(rng, split, script, make_request(rng, split, *wanted), tools)
    return script.dialogue("tool_everyday", (), [declared.tool for declared in tools])


def declare(rng: random.Random, entry: EverydayTool) -> Declared:
    """The tool in one of its spellings."""
    properties, parameters = {}, []
    for each in entry.parameters:
        name, kind = rng.choice(each["names"]), each["kind"]
        parameter = Parameter(
            plain_words(name), name, kind, tuple(each.get("options", ())), (), each.get("required", False)
        )
        parameters.append(parameter)
        properties[name] = parameter.schema()
        if each.get("descriptions") and rng.random() < 0.6:
            properties[name]["description"] = rng.choice(each["descriptions"])
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    required = [p.name for p in parameters if p.is_required]
    if required and rng.random() < _REQUIRED_SHARE:
        schema["required"] = required
    name, description = rng.choice(entry.names), rng.choice(entry.descriptions)
    function = {"name": name, "description": description, "parameters": schema}
    tool = Tool(name, description, schema, {"type": "function", "function": function})
    return Declared(tool, (), (entry.topic,), tuple(parameters), True, False)


def make_request(
    rng: random.Random, split: Split, entry: EverydayTool, declared: Declared
) -> tuple[str, Request]:
    """A request in words, and the call that it wants."""
    chosen = rng.choice(entry.requests)
    values: list[Any] = []
    for each in entry.parameters:
        value = _value(rng, split, each)
        while value in values and each["kind"] != "boolean":  # nobody drives from Oslo to Oslo
            value = _value(rng, split, each)
        values.append(value)
    named = {i: chosen.text.find(f"{{{i}}}") for i in range(len(values)) if f"{{{i}}}" in chosen.text}
    named |= {i: _place(chosen.text, declared.parameters[i], value) for i, value in chosen.fixed.items()}
    arguments = {
        declared.parameters[i].name: chosen.fixed.get(i, values[i])
        for i in sorted(named, key=named.__getitem__)
    }
    task = _WANTED.search(chosen.text)
    assert task, f"nothing is marked in: {chosen.text}"
    plain = _WANTED.sub(r"\1", chosen.text)
    said = {declared.parameters[i].name: words.format(*values) for i, words in _said(plain, entry).items()}
    wish = Request(declared, arguments, inside_a_sentence(task[1]), said)
    return wrap(rng, split, plain.format(*values)), wish


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
    given = result.make_result(rng, split, setting.parameter_words(list(tools)), asks=asks)
    script.user(result.with_question(rng, split, text, given))
    script.call("\n".join(trace.call_lines(wish, tools)), [wish.call])
    result.play(rng, script, given)


def _said(text: str, entry: EverydayTool) -> dict[int, str]:
    """The words around every placeholder of a request: up to two before it, behind a whole number one more ("for
    {0} nights"). None of them belongs to two."""
    said, start = {}, 0
    while found := _AROUND_VALUE.search(text, start):
        is_number = entry.parameters[int(found["number"])]["kind"] == "integer"
        start = found.end() if is_number else found.start("after")
        said[int(found["number"])] = text[found.start() : start]
    return said


def _place(text: str, parameter: Parameter, value: Any) -> int:
    """Where a request says in its own words that a parameter has a value: the end where no word tells."""
    words = [str(value), *parameter.words.split()]
    places = [text.lower().find(word.lower()) for word in words]
    return next((place for place in places if place >= 0), len(text))


def _wish(entry: str | dict[str, Any]) -> Wish:
    """A request is its text; one that sets a flag in words is an object with `text` and `set`."""
    if isinstance(entry, str):
        return Wish(entry, {})
    return Wish(entry["text"], {int(i): value for i, value in entry["set"].items()})


def _some(rng: random.Random, split: Split, num: int) -> list[EverydayTool]:
    """`num` tools, no two about the same."""
    tools = list(everyday_tools(split))
    rng.shuffle(tools)
    by_topic = {entry.topic: entry for entry in tools}
    return rng.sample(list(by_topic.values()), num)


def _value(rng: random.Random, split: Split, parameter: dict[str, Any]) -> Any:
    match parameter["kind"]:
        case "value":
            return rng.choice(parameter["values"])
        case "enum":
            return rng.choice(parameter["options"])
        case "boolean":
            return True
        case "integer":
            return rng.randint(1, rng.choice((9, 30, 200)))
    return simple_value(rng, split, parameter["kind"])
