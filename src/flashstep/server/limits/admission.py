"""What a generation passes before it runs: a server that is not stopping, its key's tokens, the queue.

Requests a minute and calls at a time are checked before, by `KeyLimitMiddleware`, without reading the body.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from typing import Any, Self

from flashstep.server.call import Call
from flashstep.server.generation import Generation
from flashstep.server.limits.drain import Drain
from flashstep.server.limits.meter import Meter
from flashstep.server.limits.queue import Queue
from flashstep.types import Event, LogprobsDelta, Usage

POSITION_HEADER = "x-flashstep-queue-position"

_BYTES_PER_TOKEN = 4  # of ordinary text; the real count settles it


class QueuedAdmission:
    """Admits generations to `queue`. meter_of: the meter of the key that a call came with."""

    def __init__(self, queue: Queue, drain: Drain, meter_of: Callable[[Call], Meter | None]) -> None:
        self._queue = queue
        self._drain = drain
        self._meter_of = meter_of

    def reserve(self, call: Call, generations: Sequence[Generation]) -> "Reservation":
        """The tokens of several generations, which are taken together when it is entered."""
        return Reservation(self._drain, self._meter_of(call), call, generations)

    @asynccontextmanager
    async def enter(
        self, call: Call, generation: Generation, reservation: "Reservation | None"
    ) -> AsyncGenerator[Callable[[int, Event], None], None]:
        """Wait for a place and hold it; yields what must be told of every event. `reservation`: what the
        call has taken for it already. Raises RateLimited or Overloaded."""
        own_or_shared = nullcontext(reservation) if reservation else self.reserve(call, (generation,))
        consumption = Consumption(generation)
        async with own_or_shared as tokens:
            try:
                async with self._waiting(call, generation):
                    consumption.has_run = True
                    yield consumption.event
            finally:
                tokens.pay(consumption)

    @asynccontextmanager
    async def _waiting(self, call: Call, generation: Generation) -> AsyncGenerator[None, None]:
        def note(position: int) -> None:
            call.response_headers[POSITION_HEADER] = str(position)
            call.is_queued = True

        try:
            async with self._queue.place(call.client_name, generation.n, note):
                call.is_queued = False
                yield
        finally:
            call.is_queued = False


class Reservation:
    """Tokens that a call takes from its key's allowance before any of its generations runs. Each pays from
    them when it ends, and beyond them when it used more; what is left at the end is given back. While it is
    held the call counts as running, so that all of its generations may end when the server stops."""

    def __init__(
        self, drain: Drain, meter: Meter | None, call: Call, generations: Sequence[Generation]
    ) -> None:
        self._running = drain.running()
        self._meter = meter
        self._call = call
        self._generations = generations
        self._num_left = 0

    async def __aenter__(self) -> Self:
        """Take them. Raises Overloaded when the server stops, and RateLimited, and has taken none."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._running)
            self._take()
            stack.pop_all()
        return self

    async def __aexit__(self, *raised: Any) -> bool | None:
        self._settle(self._num_left, 0)
        return await self._running.__aexit__(*raised)

    def _take(self) -> None:
        if self._meter is None:
            return
        estimate = sum(estimated_tokens(generation) for generation in self._generations)
        try:
            self._meter.reserve_tokens(estimate)
        finally:
            self._call.response_headers.update(self._meter.headers())
        self._num_left = estimate

    def pay(self, consumption: "Consumption") -> None:
        """A generation is over."""
        if self._meter is not None:
            num_used = consumption.num_tokens()
            self._settle(min(num_used, self._num_left), num_used)

    def _settle(self, num_reserved: int, num_used: int) -> None:
        if self._meter is not None:
            self._num_left -= num_reserved
            self._meter.settle_tokens(num_reserved, num_used)
            # In time for a whole answer; the headers of a stream have gone out with the estimate.
            self._call.response_headers.update(self._meter.headers())


class Consumption:
    """The tokens of one generation as it goes on. has_run: it came to its place."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self.has_run = False
        self._usage: dict[int, Usage] = {}

    def event(self, index: int, event: Event) -> None:
        """Answer number `index` went on."""
        if not isinstance(event, LogprobsDelta) and event.usage is not None:
            self._usage[index] = event.usage

    def num_tokens(self) -> int:
        """Prompt, which is computed once, and all answers. What was broken off before it told any counts
        costs the estimate of its prompt, if it ran."""
        if not self._usage:
            return estimated_tokens(self._generation) if self.has_run else 0
        prompt = max(usage.prompt_tokens for usage in self._usage.values())
        return prompt + sum(usage.completion_tokens for usage in self._usage.values())


def estimated_tokens(generation: Generation) -> int:
    """About how many tokens the prompt has, without a tokenizer."""
    prompt = generation.prompt
    if isinstance(prompt, tuple):
        return len(prompt)
    num_bytes = sum(len(text.encode("utf-8", "surrogatepass")) for text in generation.prompt_texts())
    return 1 + num_bytes // _BYTES_PER_TOKEN
