"""The reasoning before a call: which tool fits, then every argument as the text has it.

Asked: book+ the table*.
- get weather, current weather in a city: no
- cancel table*, call off a table*: no
- book+ table*, reserve a table*: yes
book_table
guests: 4
city: "Oslo"

A tool's line says in plain words, one spelling for all, what its name and its description say. What is to be
done and with what are marked where they are asked for and wherever they come again: whether a word was marked
when it was last seen is all that has to be looked up. A made-up tool fits whose line has both marks (or "#", for a
noun without a verb: "Asked: the table#."); of everyday tools also one that says the same in other words.

The arguments come in the order of the request, so each is looked for behind the one before; what the request does
not give is not mentioned.
"""

import json
from collections.abc import Sequence
from typing import Any

from flashstep.training.tasks.tools.declaration import Declared
from flashstep.training.tasks.tools.marks import Marks, marked
from flashstep.training.tasks.tools.request import Request
from flashstep.training.tasks.tools.summary import summary
from flashstep.types import Tool


def search_lines(task: str, tools: Sequence[Declared], wanted: Declared | None, marks: Marks) -> list[str]:
    """The declared tools one by one until one fits; None = none does."""
    lines = [f"Asked: {marked(task, marks)}.", *_looked_at(tools, wanted, marks)]
    return lines if wanted else [*lines, "No tool fits."]


def argument_lines(request: Request) -> list[str]:
    """Every argument, in the order in which the request names them."""
    return [f"{name}: {shown(value)}" for name, value in request.arguments.items()]


def call_lines(task: str, tools: Sequence[Declared], request: Request) -> list[str]:
    """The whole reasoning before one call."""
    lines = search_lines(task, tools, request.declared, request.marks_of(task))
    return [*lines, *argument_lines(request)]


def numbered_lines(label: str, number: int, request: Request, tools: Sequence[Declared]) -> list[str]:
    """One of several calls: "Step 2: cancel the order.", the search, the arguments."""
    marks = request.marks_of(request.task)
    looked_at = _looked_at(tools, request.declared, marks)
    return [f"{label} {number}: {marked(request.task, marks)}.", *looked_at, *argument_lines(request)]


def once_more_lines(label: str, number: int, request: Request) -> list[str]:
    """A further call of the tool that was called last; nothing is searched for."""
    return [f"{label} {number}: {request.declared.tool.name}", *argument_lines(request)]


def verdict(tool: Tool, marks: Marks, *, fits: bool) -> str:
    """The line on one tool."""
    return f"- {marked(summary(tool), marks)}: {'yes' if fits else 'no'}"


def shown(value: Any) -> str:
    """A value as the call will have it, strings in quotation marks."""
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, bool) else str(value)


def _looked_at(tools: Sequence[Declared], wanted: Declared | None, marks: Marks) -> list[str]:
    lines = []
    for declared in tools:
        lines.append(verdict(declared.tool, marks, fits=declared == wanted))
        if declared == wanted:
            return [*lines, wanted.tool.name]
    return lines
