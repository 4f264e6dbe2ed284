"""What the engine's thread has for its streams, handed over in pieces that are worth their cost.

Waking an event loop and sending one token to one client takes a tenth of a millisecond and more, about what
a step of a small model takes, and on the same cores. So a stream gets its first tokens at once, its last at
once, and what comes between in pieces: often enough that reading does not stutter, seldom enough that sending
stays a small share of one core however many streams run.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from flashstep.types import TokenOutput

if TYPE_CHECKING:
    import asyncio

    from flashstep.engine.async_engine import TokenStream

# With one chunk for each stream in this time, times the streams, sending takes about 5% of a core ...
_SECONDS_PER_STREAM = 0.003
# ... and 20 chunks a second still read as a flow of text.
_LONGEST_S = 0.05


def interval_s(num_streams: int) -> float:
    """Seconds between two pieces of one stream while so many are open: 3 ms for one, 50 ms from 17 on."""
    return min(_LONGEST_S, _SECONDS_PER_STREAM * num_streams)


class Outbox:
    """Outputs by stream, in order, until they are due. Used by the engine's thread alone."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[TokenStream, TokenOutput] = {}
        self._sent_s: dict[TokenStream, float] = {}  # of the open streams that have got something

    def add(self, stream: "TokenStream", output: TokenOutput) -> None:
        """Take over an output of `stream`."""
        held = self._held.get(stream)
        self._held[stream] = output if held is None else joined(held, output)

    def send(self, num_streams: int) -> list["TokenStream"]:
        """Hand over what is due; returns the streams that are lost, since their event loop is closed."""
        now_s, interval = self._clock(), interval_s(num_streams)
        due = {s: o for s, o in self._held.items() if self._is_due(s, o, now_s - interval)}
        for stream, output in due.items():
            del self._held[stream]
            if output.finish_reason is None:
                self._sent_s[stream] = now_s
            else:
                self._sent_s.pop(stream, None)
        lost = _deliver(due)
        for stream in lost:
            self._sent_s.pop(stream, None)
        return lost

    def _is_due(self, stream: "TokenStream", output: TokenOutput, latest_s: float) -> bool:
        if output.finish_reason is not None:
            return True
        sent_s = self._sent_s.get(stream)
        return sent_s is None or sent_s <= latest_s


def joined(first: TokenOutput, second: TokenOutput) -> TokenOutput:
    """Two outputs of one request as one: all tokens, and what the later one says of the request."""
    return replace(
        second,
        token_ids=first.token_ids + second.token_ids,
        logprobs=first.logprobs + second.logprobs,
        prompt_logprobs=first.prompt_logprobs + second.prompt_logprobs,
        cached_tokens=max(first.cached_tokens, second.cached_tokens),
    )


def _deliver(outputs: dict["TokenStream", TokenOutput]) -> list["TokenStream"]:
    """Hand outputs to their event loops, waking each once; returns the streams whose loop is closed."""
    by_loop: dict[asyncio.AbstractEventLoop, dict[TokenStream, TokenOutput]] = defaultdict(dict)
    for stream, output in outputs.items():
        by_loop[stream.loop][stream] = output
    lost: list[TokenStream] = []
    for loop, group in by_loop.items():
        try:
            loop.call_soon_threadsafe(_put_all, group)
        except RuntimeError:  # the loop is closed
            lost += group
    return lost


def _put_all(outputs: dict["TokenStream", TokenOutput]) -> None:
    for stream, output in outputs.items():
        stream.put(output)
