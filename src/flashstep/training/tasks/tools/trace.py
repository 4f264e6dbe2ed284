"""The reasoning before a call: which tool fits, then every argument as the text has it.

Asked: book the table.
get_weather (Current weather in a city): no
book_table (Reserve a table): yes
city: "Oslo"
guests: 4
urgent: not given

A tool's line repeats what its description says, so that the decision is between words that stand side by side.
"""

import json
from collections.abc import Sequence
from typing import Any

from flashstep.training.tasks.tools.declaration import Declared
from flashstep.training.tasks.tools.request import Request
from flashstep.types import Tool

# Of a description this much is repeated.
MOST_WORDS = 12


def search_lines(task: str, tools: Sequence[Declared], wanted: Declared | None) -> list[str]:
    """The declared tools one by one until one fits; None = none does."""
    lines = [f"Asked: {task}.", *_looked_at(tools, wanted)]
    return lines if wanted else [*lines, "No tool fits."]


def argument_lines(request: Request) -> list[str]:
    """Every parameter of the tool in the schema's order, with its value or "not given"."""
    return [
        f"{p.name}: {shown(request.arguments[p.name]) if p.name in request.arguments else 'not given'}"
        for p in request.declared.parameters
    ]


def call_lines(task: str, tools: Sequence[Declared], request: Request) -> list[str]:
    """The whole reasoning before one call."""
    return [*search_lines(task, tools, request.declared), *argument_lines(request)]


def numbered_lines(label: str, number: int, request: Request, tools: Sequence[Declared]) -> list[str]:
    """One of several calls: "Step 2: cancel the order.", the search, the arguments."""
    return [
        f"{label} {number}: {request.task}.", *_looked_at(tools, request.declared), *argument_lines(request)
    ]  # fmt: skip


def once_more_lines(label: str, number: int, request: Request) -> list[str]:
    """A further call of the tool that was called last; nothing is searched for."""
    return [f"{label} {number}: {request.declared.tool.name}", *argument_lines(request)]


def gloss(tool: Tool) -> str:
    """The first sentence of a tool's description, at most MOST_WORDS words of it."""
    sentence = tool.description.split(". ")[0].rstrip(".")
    return " ".join(sentence.split()[:MOST_WORDS])


def verdict(tool: Tool, *, fits: bool) -> str:
    """The line on one tool."""
    return f"{tool.name} ({gloss(tool)}): {'yes' if fits else 'no'}"


def shown(value: Any) -> str:
    """A value as the call will have it, strings in quotation marks."""
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, bool) else str(value)


def _looked_at(tools: Sequence[Declared], wanted: Declared | None) -> list[str]:
    lines = []
    for declared in tools:
        lines.append(verdict(declared.tool, fits=declared == wanted))
        if declared == wanted:
            break
    return lines
