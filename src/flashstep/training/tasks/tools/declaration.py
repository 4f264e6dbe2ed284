"""Random tools: a name of verb and noun, a description, parameters by JSON schema."""

import random
from dataclasses import dataclass
from typing import Any

from flashstep.training.tasks.base import Split
from flashstep.training.tasks.tools import vocabulary
from flashstep.training.tasks.tools.marks import has_words
from flashstep.training.tasks.tools.parameters import Parameter, joined, make_parameter
from flashstep.training.tasks.tools.summary import summary
from flashstep.types import Tool

_DESCRIPTIONS = (
    "{v} the {n}.", "{v} a {n}.", "{v} {n}.", "Use this to {l} a {n}.", "{v} one {n}.", "Tool to {l} the {n}.",
    "{v} the {n} of a user.", "{v} any {n}",
)  # fmt: skip
# Of tools that only look something up, also without a verb.
_READING_DESCRIPTIONS = (
    "Current {n}.",
    "The {n} of a user.",
    "Information on one {n}.",
    "Which {n} there is",
)
_FURTHER = (
    " Returns JSON.", " Fails when there is none.", " Use it only when the user wants it.", " Slow.",
    " The result has all that is known.", " Call it once for each.", " Needs no login.",
)  # fmt: skip
_PARAMETER_DESCRIPTIONS = ("The {}.", "{} to use", "{}", "the {} as given")


@dataclass(frozen=True, slots=True)
class Declared:
    """A tool with what it is made of. verbs: the one in its name and the one in its description, none when
    it was not made of words; `reads` says that it only looks something up."""

    tool: Tool
    verbs: tuple[str, ...]
    nouns: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    reads: bool
    is_camel: bool

    @property
    def noun(self) -> str:
        """What it deals with: "order", "order report"."""
        return " ".join(self.nouns)

    @property
    def subjects(self) -> tuple[str, ...]:
        """What the split is decided on: its verbs, its nouns, its parameters' names."""
        return ("/".join(self.verbs), *self.nouns, *(parameter.words for parameter in self.parameters))

    @property
    def shown_verbs(self) -> tuple[str, ...]:
        """The verbs that its declaration shows; a request must use one of them."""
        described = has_words(summary(self.tool), self.verbs[1])
        return self.verbs if described else self.verbs[:1]


def declare(
    rng: random.Random, split: Split, *, like: Declared | None = None, link: Parameter | None = None,
    num_parameters: int | None = None,
) -> Declared:  # fmt: skip
    """A tool. like: one that it shares the verb or the noun with, though not both. link: a parameter that
    it must have. num_parameters: how many others; None = 0 to 4."""
    slot = rng.choice(("do", "read"))
    verbs: tuple[str, ...] = vocabulary.verbs(rng, split, slot)
    nouns = vocabulary.nouns(rng, split)
    if like is not None and rng.random() < 0.5:
        verbs, slot = like.verbs, "read" if like.reads else "do"
    elif like is not None:
        nouns = like.nouns
    while set(verbs) & set(" ".join(nouns).split()):  # "report the order report"
        nouns = vocabulary.nouns(rng, split)
    is_camel = rng.random() < 0.2 if link is None else joined(link.words, is_camel=True) == link.name
    taken = set() if link is None else {link.words}
    num = rng.choices((0, 1, 2, 3, 4), (1, 5, 5, 3, 1))[0] if num_parameters is None else num_parameters
    parameters = [make_parameter(rng, split, is_camel=is_camel, taken=taken) for _ in range(num)]
    if link is not None:
        parameters.insert(rng.randint(0, num), link)
    noun = " ".join(nouns)
    description = _description(rng, verbs, noun, reads=slot == "read")
    tool = _tool(rng, _name(rng, verbs[0], noun, is_camel=is_camel), description, parameters)
    return Declared(tool, verbs, nouns, tuple(parameters), slot == "read", is_camel)


def declare_some(rng: random.Random, split: Split, num: int, others: list[Declared]) -> list[Declared]:
    """`num` more tools, about half of them resembling one of `others`; no two alike, none like those."""
    made: list[Declared] = []
    while len(made) < num:
        like = rng.choice(others) if others and rng.random() < 0.5 else None
        new = declare(rng, split, like=like)
        if all(is_different(new, other) for other in (*others, *made)):
            made.append(new)
    return made


def is_different(one: Declared, other: Declared) -> bool:
    """True when no request can mean both."""
    return one.tool.name != other.tool.name and not _is_meant(one, other) and not _is_meant(other, one)


def _is_meant(one: Declared, asked: Declared) -> bool:
    """True when a request for `asked` could be for `one`, by the words that its declaration has."""
    words = summary(one.tool)
    has_verb = any(verb in one.verbs or has_words(words, verb) for verb in asked.verbs)
    # "Information on one order" is what any request that reads may want.
    is_any_reading = (
        one.reads and asked.reads and not any(has_words(one.tool.description, v) for v in one.verbs)
    )
    return (has_verb or is_any_reading) and (overlap(one.noun, asked.noun) or has_words(words, asked.noun))


def overlap(one: str, other: str) -> bool:
    """True when one noun is, or is part of, the other."""
    return one in other or other in one


def _name(rng: random.Random, verb: str, noun: str, *, is_camel: bool) -> str:
    words = f"{noun} {verb}" if rng.random() < 0.1 else f"{verb} {noun}"
    name = joined(words, is_camel=is_camel)
    return name.replace("_", "-") if rng.random() < 0.05 else name


def _description(rng: random.Random, verbs: tuple[str, ...], noun: str, *, reads: bool) -> str:
    """What the tool does, usually with the verb that is not in its name; at times a sentence more."""
    verb = verbs[1] if rng.random() < 0.7 else verbs[0]
    forms = _READING_DESCRIPTIONS if reads and rng.random() < 0.2 else _DESCRIPTIONS
    text = rng.choice(forms).format(v=verb.capitalize(), l=verb, n=noun)
    return text.rstrip(".") + "." + rng.choice(_FURTHER) if rng.random() < 0.12 else text


def _tool(rng: random.Random, name: str, description: str, parameters: list[Parameter]) -> Tool:
    schema: dict[str, Any] = {"type": "object", "properties": _properties(rng, parameters)}
    required = [p.name for p in parameters if p.is_required]
    if required or rng.random() < 0.5:
        schema["required"] = required
    if rng.random() < 0.15:
        schema["additionalProperties"] = False
    function = {"name": name, "description": description, "parameters": schema}
    return Tool(name, description, schema, {"type": "function", "function": function})


def _properties(rng: random.Random, parameters: list[Parameter]) -> dict[str, Any]:
    properties = {p.name: p.schema() for p in parameters}
    if rng.random() < 0.35:
        form = rng.choice(_PARAMETER_DESCRIPTIONS)
        for parameter in parameters:
            properties[parameter.name]["description"] = form.format(parameter.words)
    return properties
