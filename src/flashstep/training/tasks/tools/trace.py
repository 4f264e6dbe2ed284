"""The reasoning before a call: which tool fits, then every argument as the text has it.

Asked: book+ the table*.
- get weather, current weather in a city: no
- cancel table*, call off a table*: no
- book+ table*, reserve a table*: yes
book_table
city?
guests? number
> for 4 guests
guests: 4
> in Oslo
city: "Oslo"

A tool's line says in plain words, one spelling for all, what its name and its description say. What is to be
done and with what are marked where they are asked for and wherever they come again: whether a word was marked
when it was last seen is all that has to be looked up. A made-up tool fits whose line has both marks (or "#", for a
noun without a verb: "Asked: the table#."); of everyday tools also one that says the same in other words. Of an
everyday request all words that say anything are there, each with a mark ("Asked: weather# Tokyo# celsius#."); what
comes around it, manners and a question about the result, has none.

Then everything that the tool takes, as it is declared: what the words of the request can be given to. The
arguments come in the order of the request, each behind the words that give it (">"): these are copied from
where the words before them ended, and only then named. What the request does not give is not mentioned again.
Values that get a call each are numbered ("#1 "Oslo" #2 "Rome""), and the further calls are "Call #2: get_weather".
"""

import json
from collections.abc import Sequence
from typing import Any

from flashstep.training.tasks.tools.declaration import Declared
from flashstep.training.tasks.tools.marks import Marks, marked
from flashstep.training.tasks.tools.request import Request
from flashstep.training.tasks.tools.summary import summary
from flashstep.types import Tool


def refusal_lines(request: Request, tools: Sequence[Declared]) -> list[str]:
    """The declared tools one by one, of which none fits."""
    return [_asked("Asked", request), *_looked_at(tools, None, request.marks), "No tool fits."]


def call_lines(request: Request, tools: Sequence[Declared], label: str = "Asked") -> list[str]:
    """The whole reasoning before one call: the declared tools one by one until one fits, then its arguments.
    label: of one call among several, "Step 2"."""
    looked_at = _looked_at(tools, request.declared, request.marks)
    takes = parameter_lines(request.declared.tool)
    return [_asked(label, request), *looked_at, *takes, *_quoted_argument_lines(request)]


def once_more_lines(request: Request, number: int) -> list[str]:
    """Call `number`, of the tool that was called last; nothing is searched for."""
    return [f"Call #{number}: {request.declared.tool.name}", *argument_lines(request)]


def argument_lines(request: Request) -> list[str]:
    """Every argument, in the order in which the request names them."""
    return [_argument(name, value) for name, value in request.arguments.items()]


def parameter_lines(tool: Tool) -> list[str]:
    """What the tool takes, one line a parameter: "days? number", "shape? round | square"."""
    properties: dict[str, Any] = tool.parameters.get("properties", {})
    return [f"{name}? {_hint(schema)}".rstrip() for name, schema in properties.items()]


def quote(words: str) -> str:
    """The user's words that are dealt with next."""
    return f"> {words}"


def verdict(tool: Tool, marks: Marks, *, fits: bool) -> str:
    """The line on one tool."""
    return f"- {marked(summary(tool), marks)}: {'yes' if fits else 'no'}"


def shown(value: Any) -> str:
    """A value as the call will have it, strings in quotation marks."""
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, bool) else str(value)


def _hint(schema: dict[str, Any]) -> str:
    """What a value must be, where not any text will do, and its description."""
    kinds = {"boolean": "yes or no", "integer": "number", "number": "number", "array": "list"}
    if options := schema.get("enum"):
        kind = " | ".join(map(str, options))
    elif members := schema.get("properties"):
        kind = ", ".join(members)
    else:
        kind = kinds.get(schema.get("type", ""), "")
    return ", ".join(filter(None, (kind, str(schema.get("description", "")))))


def _asked(label: str, request: Request) -> str:
    return f"{label}: {marked(request.task, request.marks)}."


def _quoted_argument_lines(request: Request) -> list[str]:
    lines = []
    for name, value in request.arguments.items():
        if name in request.said:
            lines.append(quote(request.said[name]))
        if name in request.each:
            lines.append(_numbered(request.each[name]))
        lines.append(_argument(name, value))
    return lines


def _numbered(values: Sequence[Any]) -> str:
    """Values that get a call each: "#1 "Oslo" #2 "Rome""."""
    return " ".join(f"#{number} {shown(value)}" for number, value in enumerate(values, 1))


def _argument(name: str, value: Any) -> str:
    return f"{name}: {shown(value)}"


def _looked_at(tools: Sequence[Declared], wanted: Declared | None, marks: Marks) -> list[str]:
    lines = []
    for declared in tools:
        lines.append(verdict(declared.tool, marks, fits=declared == wanted))
        if declared == wanted:
            return [*lines, wanted.tool.name]
    return lines
