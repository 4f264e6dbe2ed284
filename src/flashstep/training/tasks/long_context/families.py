"""The families of look-up in long texts by name."""

import random

from flashstep.training.tasks.base import Split
from flashstep.training.tasks.dialogue import Dialogue, DialogueFamily
from flashstep.training.tasks.long_context import code, items, logs, prose, records
from flashstep.training.tasks.long_context.haystack import (
    CountTokens,
    Generate,
    Make,
    asked_one,
    asked_several,
    estimated_tokens,
)
from flashstep.training.tasks.long_context.trace_check import check_trace
from flashstep.training.tasks.tools.judge import says
from flashstep.types import Message

_SET_TOKENS = (300, 1500)
# Of long texts: how many have one question only, and for how many tokens the others have one more.
_ALONE_SHARE, _MOST_QUESTIONS, _TOKENS_A_QUESTION = 0.2, 10, 700

MAKERS: dict[str, Make] = {
    "long_fact": prose.fact,
    "long_count": prose.count,
    "long_log": logs.field,
    "long_entry": records.entry,
    "long_code": code.constant,
    "long_last": code.last_value,
    "long_item": items.item,
}
# Each makes a dialogue of at most, and nearly, so many tokens; the function counts those of a text.
LONG_GENERATORS: dict[str, Generate] = {name: asked_one(make, name) for name, make in MAKERS.items()}
_WEIGHTS = {
    "long_fact": 0.2, "long_count": 0.15, "long_log": 0.15, "long_entry": 0.15, "long_code": 0.12,
    "long_last": 0.13, "long_item": 0.1,
}  # fmt: skip


def verify(dialogue: Dialogue, turn: int, message: Message) -> bool:
    """True when the answer has what was to be found."""
    return not message.tool_calls and says(message.content, dialogue.truth(turn).key)


# The same at the shortest length, about a thousand tokens.
LONG_CONTEXT_FAMILIES: dict[str, DialogueFamily] = {
    name: DialogueFamily(generate, verify, _WEIGHTS[name], (name,), check_trace)
    for name, generate in LONG_GENERATORS.items()
}


def long_set(rng: random.Random, split: Split, num: int) -> list[Dialogue]:
    """`num` questions about one text, which is short enough for a row of training with all of them."""
    name = _draw(rng)
    haystack = MAKERS[name](rng, split, num, rng.randint(*_SET_TOKENS), estimated_tokens)
    return asked_several(rng, split, name, haystack)


def about_one_text(
    rng: random.Random, split: Split, num_tokens: int, count_tokens: CountTokens
) -> list[Dialogue]:
    """The more questions, the longer their text is, so that reading it is worth it. One text in five has a single
    question, which may stand before it; several cannot, since they share the text as their beginning."""
    name = _draw(rng)
    if rng.random() < _ALONE_SHARE:
        return [LONG_GENERATORS[name](rng, split, num_tokens, count_tokens)]
    num = min(_MOST_QUESTIONS, 2 + num_tokens // _TOKENS_A_QUESTION)
    return asked_several(rng, split, name, MAKERS[name](rng, split, num, num_tokens, count_tokens))


def _draw(rng: random.Random) -> str:
    return rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
