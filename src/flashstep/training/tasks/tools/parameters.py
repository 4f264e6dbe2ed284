"""Parameters of tools: a name, a JSON schema, and values that a user may give."""

import random
from dataclasses import dataclass
from typing import Any

from flashstep.training.tasks.base import Split
from flashstep.training.tasks.tools.vocabulary import listed, parameter_name, phrase

STRING_KINDS = ("text", "person", "place", "code", "date", "email", "path", "time", "phone", "url", "pin")
SIMPLE_KINDS = (*STRING_KINDS, "integer", "number")
_KIND_WEIGHTS = {
    "text": 3, "person": 3, "place": 3, "code": 2, "date": 2, "email": 1, "path": 1, "integer": 5, "number": 3,
    "time": 1, "phone": 1, "url": 1, "pin": 1, "boolean": 3, "enum": 4, "strings": 2, "integers": 1, "object": 2,
}  # fmt: skip
_TYPES = {"integer": "integer", "number": "number", "boolean": "boolean", "object": "object"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """`words` is the name as people say it ("start date"), `name` as the schema has it. `options` are an
    enum's values, `fields` an object's members."""

    words: str
    name: str
    kind: str
    options: tuple[str, ...] = ()
    fields: tuple["Parameter", ...] = ()
    is_required: bool = True

    def schema(self) -> dict[str, Any]:
        """The JSON schema of a value."""
        if self.kind in ("strings", "integers"):
            return {"type": "array", "items": {"type": self.kind.removesuffix("s")}}
        schema: dict[str, Any] = {"type": _TYPES.get(self.kind, "string")}
        if self.options:
            schema["enum"] = list(self.options)
        if self.fields:
            schema["properties"] = {field.name: field.schema() for field in self.fields}
            schema["required"] = [field.name for field in self.fields]
        return schema

    def sample(self, rng: random.Random, split: Split) -> Any:
        """A value that the schema allows."""
        match self.kind:
            case "boolean":
                return rng.random() < 0.5
            case "enum":
                return rng.choice(self.options)
            case "strings":
                return _distinct_strings(rng, split)[: rng.randint(1, 4)]
            case "integers":
                return [rng.randrange(10 ** rng.randint(1, 4)) for _ in range(rng.randint(1, 4))]
            case "object":
                return {field.name: field.sample(rng, split) for field in self.fields}
        return simple_value(rng, split, self.kind)


def make_parameter(
    rng: random.Random, split: Split, *, is_camel: bool, taken: set[str], kind: str | None = None
) -> Parameter:
    """A parameter whose words are not in `taken`, where they are noted. kind None = any."""
    if kind is None:
        kind = rng.choices(list(_KIND_WEIGHTS), list(_KIND_WEIGHTS.values()))[0]
    words = parameter_name(rng, split, kind, taken)
    taken.add(words)
    fields: tuple[Parameter, ...] = ()
    if kind == "object":
        fields = tuple(
            make_parameter(rng, split, is_camel=is_camel, taken=taken, kind=rng.choice(SIMPLE_KINDS))
            for _ in range(2)
        )
    options = tuple(rng.choice(listed("options", split)).split()) if kind == "enum" else ()
    is_required = rng.random() < 0.75
    return Parameter(words, joined(words, is_camel=is_camel), kind, options, fields, is_required)


def joined(words: str, *, is_camel: bool) -> str:
    """The words as one identifier: "start_date", or "startDate".

    >>> joined("start date", is_camel=True)
    'startDate'
    """
    first, *rest = words.split()
    return first + "".join(map(str.capitalize, rest)) if is_camel else "_".join((first, *rest))


def simple_value(rng: random.Random, split: Split, kind: str) -> Any:
    """A value of one of SIMPLE_KINDS."""
    match kind:
        case "text":
            return phrase(rng, split)
        case "person":
            surname = " " + rng.choice(listed("surname", split)) if rng.random() < 0.5 else ""
            return rng.choice(listed("name", split)) + surname
        case "place":
            return rng.choice(listed("town", split))
        case "code":
            return _code(rng)
        case "date":
            return f"20{rng.randint(20, 32)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
        case "email":
            word = phrase(rng, split).lower().replace(" ", ".")
            return f"{word}@{_domain(rng)}"
        case "path":
            return (
                "/" + phrase(rng, split).lower().replace(" ", "/") + rng.choice(("", ".txt", ".csv", ".log"))
            )
        case "time":
            return f"{rng.randrange(24):02}:{rng.randrange(60):02}"
        case "phone":
            return f"+{rng.randint(1, 99)} {rng.randint(100, 999)} {rng.randint(1000, 99999)}"
        case "url":
            return f"https://{_domain(rng)}/{phrase(rng, split).lower().replace(' ', '-')}"
        case "pin":  # looks like a number and is none
            return "".join(rng.choices("0123456789", k=rng.randint(3, 6)))
        case "integer":
            return rng.randrange(10 ** rng.randint(1, 4))
    return round(rng.randrange(1, 10 ** rng.randint(2, 4)) + rng.randint(1, 99) / 100, 2)


def _domain(rng: random.Random) -> str:
    return f"{rng.choice(('mail', 'post', 'shop', 'lab'))}.{rng.choice(('com', 'org', 'net'))}"


def _code(rng: random.Random) -> str:
    letters = "".join(rng.choices("ABCDEFGHKLMNPQRSTUVWXYZ", k=rng.randint(1, 3)))
    digits = "".join(rng.choices("0123456789", k=rng.randint(2, 5)))
    return rng.choice((f"{letters}-{digits}", f"{letters}{digits}", f"{letters.lower()}_{digits}"))


def _distinct_strings(rng: random.Random, split: Split) -> list[str]:
    kind = rng.choice(("text", "person", "place", "code"))
    return list(dict.fromkeys(str(simple_value(rng, split, kind)) for _ in range(8)))
