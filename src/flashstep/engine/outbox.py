"""What the engine's thread has for its streams, handed over in pieces that are worth their cost.

Waking an event loop and sending one token to one client takes a tenth of a millisecond and more, about what
a step of a small model takes, and on the same cores. So a stream gets its first tokens at once, its last at
once, and what comes between in pieces: often enough that reading does not stutter, seldom enough that sending
stays a small share of one core however many streams run.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from flashstep.types import TokenOutput

if TYPE_CHECKING:
    import asyncio

    from flashstep.engine.async_engine import TokenStream

# With one chunk for each stream in this time, times the streams, sending takes 1% of a fast core and 5% of a
# slow one; the threads that compute lose several times that, since they wait for each other ...
_SECONDS_PER_STREAM = 0.01
# ... and 10 chunks a second still read as a flow of text.
_LONGEST_S = 0.1
_SLOW_STEP_S = 0.05


def interval_s(num_streams: int) -> float:
    """Seconds between two pieces of one stream while so many are open: 10 ms for one, 100 ms from 10 on."""
    return min(_LONGEST_S, _SECONDS_PER_STREAM * num_streams)


class Outbox:
    """Outputs by stream, in order, until they are due. Used by the engine's thread alone."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[TokenStream, list[TokenOutput]] = {}
        self._called_s = clock()
        self._sent_s: dict[TokenStream, float] = {}  # of the open streams that have got something

    def add(self, stream: "TokenStream", output: TokenOutput) -> None:
        """Take over an output of `stream`."""
        self._held.setdefault(stream, []).append(output)

    def send(self, num_streams: int) -> list["TokenStream"]:
        """Hand over what is due; returns the streams that are lost, since their event loop is closed.

        All is due while steps are slow, as beside a long prompt: the next one may end too late.
        """
        now_s, last_s = self._clock(), self._called_s
        self._called_s = now_s
        latest_s = now_s
        if now_s - last_s < _SLOW_STEP_S:
            # What is due in half a step is sent now: behind the next step it would be late.
            latest_s = now_s - interval_s(num_streams) + (now_s - last_s) / 2
        # All together where it is time for one: what sends them is then in the caches but for the first.
        is_time = any(self._sent_s.get(stream, now_s) <= latest_s for stream in self._held)
        due = [
            stream for stream, outputs in self._held.items()
            if is_time or stream not in self._sent_s or outputs[-1].finish_reason is not None
        ]  # fmt: skip
        ready = {stream: joined(self._held.pop(stream)) for stream in due}
        for stream, output in ready.items():
            if output.finish_reason is None:
                self._sent_s[stream] = now_s
            else:
                self._sent_s.pop(stream, None)
        lost = _deliver(ready)
        for stream in lost:
            self._sent_s.pop(stream, None)
        return lost


def joined(outputs: Sequence[TokenOutput]) -> TokenOutput:
    """Successive outputs of one request as one: all tokens, and what the last one says of the request."""
    if len(outputs) == 1:
        return outputs[0]
    return replace(
        outputs[-1],
        token_ids=tuple(chain.from_iterable(output.token_ids for output in outputs)),
        logprobs=tuple(chain.from_iterable(output.logprobs for output in outputs)),
        prompt_logprobs=tuple(chain.from_iterable(output.prompt_logprobs for output in outputs)),
        cached_tokens=max(output.cached_tokens for output in outputs),
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
