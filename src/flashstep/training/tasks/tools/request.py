"""What a user says who wants a tool called: the task, and every argument in words."""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flashstep.training.tasks.base import Split
from flashstep.training.tasks.questions import has_eval_wordings, wordings
from flashstep.training.tasks.tools.declaration import Declared, overlap
from flashstep.training.tasks.tools.marks import marks_of_words
from flashstep.training.tasks.tools.parameters import Parameter
from flashstep.training.tasks.wording import wrap

WORDINGS = (
    "tool_call", "tool_call_bare", "tool_what", "tool_argument", "tool_flag_on", "tool_flag_off",
    "tool_place", "tool_person", "tool_date", "tool_email", "tool_time", "tool_enum", "tool_integer",
    "tool_text", "tool_sought",
)  # fmt: skip
# Kinds of arguments that people name without the parameter's name.
_NATURAL_KINDS = ("place", "person", "date", "email", "time", "enum", "integer", "text")
# "with in Oslo", "using with": the argument brought a preposition of its own.
_DOUBLED = re.compile(r"\b(?:with|using|given|taking|take) ((?:in|for|on|at|near|by|around|with) )")
_NATURAL_SHARE, _QUOTED_SHARE, _OPTIONAL_SHARE = 0.5, 0.55, 0.6


@dataclass(frozen=True, slots=True)
class Request:
    """One call that is wanted: the tool, its arguments in the order in which they are said, the task in words.
    said: of arguments, the words of the user that give it, to the letter. each: of an argument that has another
    value in each of several calls, all of them."""

    declared: Declared
    arguments: dict[str, Any]
    task: str
    said: Mapping[str, str] = field(default_factory=dict)
    each: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    @property
    def call(self) -> tuple[str, dict[str, Any]]:
        """Name and arguments."""
        return self.declared.tool.name, self.arguments

    @property
    def marks(self) -> dict[str, str]:
        """The words of the task that are marked: verb and noun, both of which a made-up tool that fits has, or of
        an everyday request every word that says what it is about."""
        if not self.declared.verbs:
            return marks_of_words(self.task)
        verb = next((verb for verb in self.declared.verbs if self.task.startswith(f"{verb} ")), None)
        return {self.declared.noun: "*", verb: "+"} if verb else {self.declared.noun: "#"}


def make_request(rng: random.Random, split: Split, declared: Declared, **fixed: Any) -> Request:
    """Random arguments for `declared`, in any order: all required ones, some of the others, and how each is said.
    fixed: arguments given, which come first and which the caller says."""
    others = [
        p for p in declared.parameters
        if p.name not in fixed and (p.is_required or rng.random() < _OPTIONAL_SHARE)
    ]  # fmt: skip
    rng.shuffle(others)
    arguments = {**fixed, **{p.name: p.sample(rng, split) for p in others}}
    article = rng.choice(("the ", "the ", indefinite(declared.noun), "my ", "our ", ""))
    said = {p.name: _undoubled(_said(rng, split, p, declared, arguments[p.name])) for p in others}
    return Request(declared, arguments, f"{rng.choice(declared.shown_verbs)} {article}{declared.noun}", said)


def indefinite(noun: str) -> str:
    """ "an " before a vowel, else "a "."""
    return "an " if noun[0] in "aeiou" else "a "


def asked(
    rng: random.Random, split: Split, request: Request, tools: Sequence[Declared]
) -> tuple[str, Request]:
    """The request as one sentence, and as that sentence has it. The task's verb is left out only where no other
    of the `tools` deals with the same thing."""
    task = request.task
    if _is_sought(request) and _has_wordings("tool_sought", split) and rng.random() < _NATURAL_SHARE:
        [value] = request.arguments.values()
        text = wordings("tool_sought", split).choose(rng).format(t=task, v=value)
        return text, replace(request, said=request.arguments)
    said = said_arguments(rng, request)
    article, noun = _article_and_noun(request)
    is_only = sum(overlap(declared.noun, noun) for declared in tools) == 1
    if request.declared.reads and is_only and said and rng.random() < 0.3:
        task = article + noun
        text = wordings("tool_what", split).choose(rng).format(n=task, a=said)
    elif said:
        text = wordings("tool_call", split).choose(rng).format(t=task, a=said)
    else:
        text = wordings("tool_call_bare", split).choose(rng).format(t=task)
    text = _undoubled(text)
    if rng.random() < 0.7 and not (said and text.startswith(said)):  # a value keeps its case
        text = text[0].upper() + text[1:]
    return text, replace(request, task=task)


def asked_with_manners(
    rng: random.Random, split: Split, request: Request, tools: Sequence[Declared]
) -> tuple[str, Request]:
    """The request as a whole message, and as that message has it."""
    text, wish = asked(rng, split, request, tools)
    return wrap(rng, split, text), wish


def said_arguments(rng: random.Random, request: Request) -> str:
    """The arguments in words: "city Oslo, days 3 and not urgent"."""
    return listing(list(request.said.values()), rng)


def _undoubled(text: str) -> str:
    return _DOUBLED.sub(r"\1", text)


def listing(parts: list[str], rng: random.Random) -> str:
    """The parts joined as people do: commas, and most often "and" before the last."""
    if len(parts) < 2 or rng.random() < 0.2:
        return ", ".join(parts)
    return ", ".join(parts[:-1]) + rng.choice((" and ", " and ", ", and ")) + parts[-1]


def said_value(rng: random.Random, parameter: Parameter, value: Any) -> str:
    """A value in words; strings are there to the letter."""
    if isinstance(value, dict):
        members = [f"{field.words} {said_value(rng, field, value[field.name])}" for field in parameter.fields]
        return rng.choice(("({})", "{}", "with {}")).format(" and ".join(members))
    if isinstance(value, list):
        items = [f'"{item}"' if isinstance(item, str) and " " in item else str(item) for item in value]
        return rng.choice(("{}", "{}", "[{}]")).format(", ".join(items))
    if parameter.kind == "text" or (isinstance(value, str) and rng.random() < _QUOTED_SHARE):
        return rng.choice(('"{}"', '"{}"', "'{}'")).format(value)
    return str(value)


def _said(rng: random.Random, split: Split, parameter: Parameter, declared: Declared, value: Any) -> str:
    if parameter.kind == "boolean":
        kind = "tool_flag_on" if value else "tool_flag_off"
        return wordings(kind, split).choose(rng).format(p=parameter.words)
    said = said_value(rng, parameter, value)
    is_alone = sum(p.kind == parameter.kind for p in declared.parameters) == 1
    kind = f"tool_{parameter.kind}"
    is_natural = parameter.kind in _NATURAL_KINDS and _has_wordings(kind, split)
    if is_natural and is_alone and rng.random() < _NATURAL_SHARE:
        return wordings(kind, split).choose(rng).format(p=parameter.words, v=said)
    return wordings("tool_argument", split).choose(rng).format(p=parameter.words, v=said)


def _is_sought(request: Request) -> bool:
    """True when one text is all that is given and no other could be: it then stands at the end, without
    quotation marks."""
    texts = [p.name for p in request.declared.parameters if p.kind == "text"]
    return len(texts) == 1 and list(request.arguments) == texts


def _has_wordings(kind: str, split: Split) -> bool:
    """Some kinds have no held-out wordings yet; questions of the eval split do without them."""
    return split == "train" or has_eval_wordings(kind)


def _article_and_noun(request: Request) -> tuple[str, str]:
    noun = request.declared.noun
    article = re.search(rf" (the |an? |my |our |){re.escape(noun)}$", request.task)
    return (article[1] if article else ""), noun
