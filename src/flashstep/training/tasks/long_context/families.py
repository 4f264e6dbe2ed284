"""The families of look-up in long texts by name."""

import random
from collections.abc import Callable

from flashstep.training.tasks.base import Split
from flashstep.training.tasks.dialogue import Dialogue, DialogueFamily
from flashstep.training.tasks.long_context import code, items, logs, prose, records
from flashstep.training.tasks.long_context.haystack import CountTokens
from flashstep.training.tasks.long_context.trace_check import check_trace
from flashstep.training.tasks.tools.judge import says
from flashstep.types import Message

# Each makes a dialogue of at most, and nearly, so many tokens; the function counts those of a text.
LONG_GENERATORS: dict[str, Callable[[random.Random, Split, int, CountTokens], Dialogue]] = {
    "long_fact": prose.fact,
    "long_count": prose.count,
    "long_log": logs.field,
    "long_entry": records.entry,
    "long_code": code.constant,
    "long_last": code.last_value,
    "long_item": items.item,
}


def verify(dialogue: Dialogue, turn: int, message: Message) -> bool:
    """True when the answer has what was to be found."""
    return not message.tool_calls and says(message.content, dialogue.truth(turn).key)


# The same at the shortest length, about a thousand tokens.
LONG_CONTEXT_FAMILIES: dict[str, DialogueFamily] = {
    "long_fact": DialogueFamily(prose.fact, verify, 0.2, ("long_fact",), check_trace),
    "long_count": DialogueFamily(prose.count, verify, 0.15, ("long_count",), check_trace),
    "long_log": DialogueFamily(logs.field, verify, 0.15, ("long_log",), check_trace),
    "long_entry": DialogueFamily(records.entry, verify, 0.15, ("long_entry",), check_trace),
    "long_code": DialogueFamily(code.constant, verify, 0.12, ("long_code",), check_trace),
    "long_last": DialogueFamily(code.last_value, verify, 0.13, ("long_last",), check_trace),
    "long_item": DialogueFamily(items.item, verify, 0.1, ("long_item",), check_trace),
}
