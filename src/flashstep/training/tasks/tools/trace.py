"""The reasoning before a call: which tool fits, then every argument as the text has it.

Asked: book the table.
- get weather, current weather in a city: book no
- cancel table, call off a table: book no
- book table, reserve a table: book yes, table yes
book_table
city: "Oslo"
guests: 4
urgent: not given

A tool's line says in plain words, one spelling for all, what its name and its description say, so that the
decision is between words that stand side by side. What is asked is then looked for in it word by word: first what
to do, then with what. Where a request has other words than the tool (`meant`), the line ends with the
verdict alone: "- get weather, current weather in a city: yes".
"""

import itertools
import json
from collections.abc import Sequence
from typing import Any

from flashstep.training.tasks.tools.declaration import Declared
from flashstep.training.tasks.tools.request import Request
from flashstep.training.tasks.tools.summary import has_words, summary
from flashstep.types import Tool

# Words of a request, each of which a tool that fits must have.
Parts = Sequence[str]


def search_lines(
    task: str, tools: Sequence[Declared], wanted: Declared | None, parts: Parts = ()
) -> list[str]:
    """The declared tools one by one until one fits; None = none does. parts: see `verdict`."""
    lines = [f"Asked: {task}.", *_looked_at(tools, wanted, parts)]
    return lines if wanted else [*lines, "No tool fits."]


def argument_lines(request: Request) -> list[str]:
    """Every parameter of the tool in the schema's order, with its value or "not given"."""
    return [
        f"{p.name}: {shown(request.arguments[p.name]) if p.name in request.arguments else 'not given'}"
        for p in request.declared.parameters
    ]


def call_lines(task: str, tools: Sequence[Declared], request: Request) -> list[str]:
    """The whole reasoning before one call."""
    lines = search_lines(task, tools, request.declared, request.parts_of(task))
    return [*lines, *argument_lines(request)]


def numbered_lines(label: str, number: int, request: Request, tools: Sequence[Declared]) -> list[str]:
    """One of several calls: "Step 2: cancel the order.", the search, the arguments."""
    looked_at = _looked_at(tools, request.declared, request.parts_of(request.task))
    return [f"{label} {number}: {request.task}.", *looked_at, *argument_lines(request)]


def once_more_lines(label: str, number: int, request: Request) -> list[str]:
    """A further call of the tool that was called last; nothing is searched for."""
    return [f"{label} {number}: {request.declared.tool.name}", *argument_lines(request)]


def verdict(tool: Tool, *, fits: bool, parts: Parts = ()) -> str:
    """The line on one tool. parts: the words of the request that a tool that fits must have; the first that
    it lacks refuses it. None = the words do not tell."""
    words = summary(tool)
    if not parts:
        return f"- {words}: {'yes' if fits else 'no'}"
    num_found = len(list(itertools.takewhile(lambda part: has_words(words, part), parts)))
    found = [f"{part} yes" for part in parts[:num_found]]
    return f"- {words}: {', '.join([*found, *(f'{part} no' for part in parts[num_found : num_found + 1])])}"


def shown(value: Any) -> str:
    """A value as the call will have it, strings in quotation marks."""
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, bool) else str(value)


def _looked_at(tools: Sequence[Declared], wanted: Declared | None, parts: Parts) -> list[str]:
    lines = []
    for declared in tools:
        lines.append(verdict(declared.tool, fits=declared == wanted, parts=parts))
        if declared == wanted:
            return [*lines, wanted.tool.name]
    return lines
