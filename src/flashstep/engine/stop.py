"""When an answer ends: a stop id, the number of tokens asked for, or the end of the context.

Knows token ids only; stop strings are matched on text by the caller.
"""

from flashstep.engine.sequence import Sequence
from flashstep.types import FinishReason


def truncate(seq: Sequence, new_token_ids: list[int]) -> tuple[list[int], FinishReason | None]:
    """Cut what a step produced at the first end; the ending token itself is kept.

    A step that verified drafts brings several tokens; those behind the end were never asked for.
    With 2 tokens left and stop id 9: [5, 9, 4] -> ([5, 9], "stop"); [5, 6, 9] -> ([5, 6], "length").
    """
    room = seq.max_total_tokens - seq.num_tokens
    for i, token_id in enumerate(new_token_ids[:room]):
        if token_id in seq.stop_token_ids:
            return new_token_ids[: i + 1], "stop"
    if len(new_token_ids) >= room:
        return new_token_ids[:room], "length"
    return new_token_ids, None
