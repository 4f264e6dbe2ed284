"""Is the reasoning the way to the answer? What it quotes must stand in the text and have the value."""

import re

from flashstep.training.tasks.dialogue import Dialogue
from flashstep.training.tasks.tools.judge import says
from flashstep.types import Message


def check_trace(dialogue: Dialogue, turn: int, message: Message) -> bool:
    """True when every line that the reasoning quotes stands in the text, and the value it ends with is in
    a quoted line (or is the number of them) and in the answer."""
    quoted, value = _quoted_and_value(dialogue.family, (message.reasoning or "").split("\n"))
    text = dialogue.messages[turn - 1].content
    if not value or not says(message.content, value) or any(line not in text for line in quoted):
        return False
    if dialogue.family == "long_count":
        return value == str(len(quoted)) and all(dialogue.subjects[0] in line.lower() for line in quoted)
    return bool(quoted) and value in quoted[-1]


def _quoted_and_value(family: str, lines: list[str]) -> tuple[list[str], str]:
    """The quoted lines and the value at the end of a trace; no value when it has another shape."""
    last = lines[-1]
    if family == "long_count":
        numbered = [re.fullmatch(rf"{i}\. (.*)", line) for i, line in enumerate(lines[1:-1], 1)]
        end = re.fullmatch(r"So (\d+)\.", last)
        is_whole = end is not None and None not in numbered and lines[0].startswith("Mentions of ")
        return [m[1] for m in numbered if m], end[1] if end and is_whole else ""
    if family == "long_last":
        is_whole = lines[0] == "Found:" and last.startswith("Last: ")
        return lines[1:-1], last.removeprefix("Last: ").strip('"') if is_whole else ""
    if not lines[0].startswith("Found: "):
        return [], ""
    found = lines[0].removeprefix("Found: ")
    value = found.partition(". ")[2] if family == "long_item" else last.rpartition(": ")[2].strip('"')
    return [found], value
