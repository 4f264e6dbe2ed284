"""What a tool gives back, and the answer that uses it."""

import json
import random
from dataclasses import dataclass
from typing import Any

from flashstep.training.tasks.base import Split
from flashstep.training.tasks.dialogue import Truth
from flashstep.training.tasks.questions import wordings
from flashstep.training.tasks.script import Script
from flashstep.training.tasks.tools.parameters import (
    SIMPLE_KINDS,
    Parameter,
    joined,
    make_parameter,
    simple_value,
)
from flashstep.training.tasks.tools.trace import shown

WORDINGS = ("tool_tell",)
# A result of one bare value is not always JSON.
_PLAIN_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class Result:
    """Named simple values. `asked`: the one that the user wants to know; None = no special one."""

    fields: list[Parameter]
    values: dict[str, Any]
    asked: Parameter | None = None

    def content(self, rng: random.Random) -> str:
        """The tool message: a JSON object, at times the bare value of a single field that was asked for; of
        another nobody would know the name."""
        if len(self.fields) == 1 and self.asked and rng.random() < _PLAIN_SHARE:
            return str(self.values[self.fields[0].name])
        indent = 1 if rng.random() < 0.1 else None
        return json.dumps(self.values, ensure_ascii=False, indent=indent)

    @property
    def told(self) -> list[Parameter]:
        """What the answer is about."""
        return [self.asked] if self.asked else self.fields

    def lines(self) -> list[str]:
        """For the reasoning: "price: 4.5"."""
        return [f"{field.words}: {shown(self.values[field.name])}" for field in self.told]

    def sentence(self) -> str:
        """For the answer: "The price is 4.5." """
        if self.asked:
            return f"The {self.asked.words} is {self.values[self.asked.name]}."
        return "Done. " + ", ".join(f"{f.words}: {self.values[f.name]}" for f in self.fields) + "."

    def told_values(self) -> list[str]:
        """The values that the answer must have."""
        return [str(self.values[field.name]) for field in self.told]


def make_result(
    rng: random.Random,
    split: Split,
    taken: set[str],
    *,
    link: Parameter | None = None,
    asks: bool = False,
    most: int = 3,
) -> Result:
    """1 to `most` values under names that are not in `taken`. link: a parameter of a later call that must be
    among them. asks: the user wants to know one of them."""
    num = min(most, rng.choice((1, 1, 2, 3))) - (link is not None)
    fields = [_field(rng, split, taken) for _ in range(max(num, 0 if link else 1))]
    if link is not None:
        fields.insert(rng.randint(0, len(fields)), link)
    values = {field.name: simple_value(rng, split, field.kind) for field in fields}
    return Result(fields, values, rng.choice(fields) if asks else None)


def with_question(rng: random.Random, split: Split, text: str, result: Result) -> str:
    """A request with the sentence in which the user asks for a value of the result, if for any."""
    if result.asked is None:
        return text
    end = "" if text[-1] in ".?!" else "."  # or the sentence would seem to belong to the last value
    return f"{text}{end} {wordings('tool_tell', split).choose(rng).format(p=result.asked.words)}"


def play(rng: random.Random, script: Script, result: Result) -> None:
    """The tool gives the result, the model tells it."""
    script.results(result.content(rng))
    script.answer("\n".join(result.lines()), result.sentence(), Truth("\n".join(result.told_values())))


def _field(rng: random.Random, split: Split, taken: set[str]) -> Parameter:
    if "status" not in taken and rng.random() < 0.2:
        taken.add("status")
        return Parameter("status", "status", "text")
    parameter = make_parameter(rng, split, is_camel=False, taken=taken, kind=rng.choice(SIMPLE_KINDS))
    return Parameter(parameter.words, joined(parameter.words, is_camel=False), parameter.kind)
