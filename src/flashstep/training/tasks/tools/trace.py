"""The reasoning before a call: which tool fits, then every argument as the text has it.

Asked: book the table.
get_weather: no
book_table: yes
city: "Oslo"
guests: 4
urgent: not given
"""

import json
from collections.abc import Sequence
from typing import Any

from flashstep.training.tasks.tools.declaration import Declared
from flashstep.training.tasks.tools.request import Request


def search_lines(task: str, tools: Sequence[Declared], wanted: Declared | None) -> list[str]:
    """The declared tools one by one until one fits; None = none does."""
    lines = [f"Asked: {task}."]
    for declared in tools:
        lines.append(f"{declared.tool.name}: {'yes' if declared == wanted else 'no'}")
        if declared == wanted:
            return lines
    return [*lines, "No tool fits."]


def argument_lines(request: Request) -> list[str]:
    """Every parameter of the tool in the schema's order, with its value or "not given"."""
    return [
        f"{p.name}: {shown(request.arguments[p.name]) if p.name in request.arguments else 'not given'}"
        for p in request.declared.parameters
    ]


def numbered_lines(label: str, number: int, request: Request) -> list[str]:
    """One of several calls: "Step 2: cancel the order.", the tool, its arguments."""
    return [f"{label} {number}: {request.task}.", request.declared.tool.name, *argument_lines(request)]


def shown(value: Any) -> str:
    """A value as the call will have it, strings in quotation marks."""
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, bool) else str(value)
