"""Recognises an answer that has fallen into a loop, so that it need not fill the whole context.

A loop is a stretch of `LOOP_TOKENS` tokens that is nothing but one piece of at most `MAX_PERIOD`
tokens said over and over, so at least 16 times. Counting, lists, tables and digits of numbers
differ somewhere in every such stretch; a caller who wants a sentence a thousand times switches the
guard off.
"""

from collections.abc import Sequence

LOOP_TOKENS = 1024
MAX_PERIOD = 64
CHECK_EVERY = 64  # tokens of an answer; so a loop ends at a place that no batch or draft moves


def is_due(num_generated: int) -> bool:
    """Whether an answer of this length is to be looked at."""
    return num_generated % CHECK_EVERY == 0 and num_generated >= LOOP_TOKENS


def is_loop(token_ids: Sequence[int]) -> bool:
    """Whether the last `LOOP_TOKENS` of at least as many tokens are one piece over and over."""
    tail = token_ids[-LOOP_TOKENS:]
    last, second = tail[-1], tail[-2]
    for period in range(1, MAX_PERIOD + 1):
        # Two tokens first: in text that is no loop they rule out nearly every period.
        if tail[-1 - period] == last and tail[-2 - period] == second and tail[period:] == tail[:-period]:
            return True
    return False
