"""When an answer ends: a stop id, a loop, the number of tokens asked for, or the end of the context.

Knows token ids only; stop strings are matched on text by the caller.
"""

from typing import NamedTuple

from flashstep.engine.repetition import LOOP_TOKENS, is_due, is_loop
from flashstep.engine.sequence import Sequence
from flashstep.types import FinishReason

REPETITION = "repetition"


class Cut(NamedTuple):
    """What is left of new tokens, and why nothing follows; None = the answer goes on."""

    token_ids: list[int]
    reason: FinishReason | None
    stop_reason: str | None = None


def truncate(seq: Sequence, new_token_ids: list[int]) -> Cut:
    """Cut what a step produced at the first end; the ending token itself is kept.

    A step that verified drafts brings several tokens; those behind the end were never asked for.
    With 2 tokens left and stop id 9: [5, 9, 4] -> [5, 9], "stop"; [5, 6, 9] -> [5, 6], "length".
    """
    room = seq.max_total_tokens - seq.num_tokens
    for i, token_id in enumerate(new_token_ids[:room]):
        if token_id in seq.stop_token_ids:
            return Cut(new_token_ids[: i + 1], "stop")
        if seq.is_guarded and is_due(seq.num_generated + i + 1):
            new = new_token_ids[: i + 1]
            if is_loop(seq.token_ids[-LOOP_TOKENS:] + new):
                return Cut(new, "length", REPETITION)
    if len(new_token_ids) >= room:
        return Cut(new_token_ids[:room], "length")
    return Cut(new_token_ids, None)
