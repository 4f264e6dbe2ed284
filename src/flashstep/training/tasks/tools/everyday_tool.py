"""Tools as applications declare them (weather, e-mail, orders, ...) and requests as people type them.

`everyday/<split>.json` has them, written by hand, and `everyday/common-<split>.json` those that developers declare
first, asked for as they try them; the two splits share no tool and no request. The other families of this package
make up their tools and cover every schema; these have the words of real life. A request marks the words that say
what is wanted: "What is [the weather] in {0}?".
"""

import json
import random
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from flashstep.training.tasks.base import Split
from flashstep.training.tasks.grammar import normalised
from flashstep.training.tasks.tools.declaration import Declared
from flashstep.training.tasks.tools.parameters import Parameter
from flashstep.training.tasks.tools.summary import plain_words
from flashstep.types import Tool

SPLITS: tuple[Split, ...] = ("train", "eval")
_REQUIRED_SHARE = 0.9
_PLACEHOLDER = re.compile(r"\{\d+\}")
_MARKED = re.compile(r"\[(.+?)\]")


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
    """A request with its marks and placeholders, and the parameters that its words set, by number."""

    text: str
    fixed: dict[int, Any]

    @property
    def task(self) -> str:
        """The words that say what is wanted."""
        found = _MARKED.search(self.text)
        assert found, f"nothing is marked in: {self.text}"
        return found[1]

    @property
    def plain(self) -> str:
        """The text without marks."""
        return _MARKED.sub(r"\1", self.text)


def everyday_tools(split: Split) -> tuple[EverydayTool, ...]:
    """The tools of one split that are not in `common_tools`."""
    return _tools(f"{split}.json")


def common_tools(split: Split) -> tuple[EverydayTool, ...]:
    """The tools of one split that everybody tries first."""
    return _tools(f"common-{split}.json")


@cache
def _tools(file_name: str) -> tuple[EverydayTool, ...]:
    text = resources.files(__package__).joinpath("everyday", file_name).read_text(encoding="utf-8")
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
            normalised(_PLACEHOLDER.sub("{}", text))
            for entry in (*everyday_tools(split), *common_tools(split))
            for text in (*entry.names, *(wish.text for wish in entry.requests))
        }
        for split in SPLITS
    )
    return sorted(train & held_out)


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


def _wish(entry: str | dict[str, Any]) -> Wish:
    """A request is its text; one whose words set a parameter is an object with `text` and `set`."""
    if isinstance(entry, str):
        return Wish(entry, {})
    return Wish(entry["text"], {int(i): value for i, value in entry["set"].items()})
