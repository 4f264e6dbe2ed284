"""What a generation passes before it runs: a server that is not stopping, its key's tokens, the queue.

Requests a minute and calls at a time are checked before, by `KeyLimitMiddleware`, without reading the body.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

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

    @asynccontextmanager
    async def enter(
        self, call: Call, generation: Generation
    ) -> AsyncGenerator[Callable[[int, Event], None], None]:
        """Wait for a place and hold it; yields what must be told of every event. Raises RateLimited or
        Overloaded."""
        consumption = Consumption()
        async with (
            self._drain.running(),
            self._tokens(call, generation, consumption),
            self._waiting(call, generation),
        ):
            consumption.has_run = True
            yield consumption.event

    @asynccontextmanager
    async def _tokens(
        self, call: Call, generation: Generation, consumption: "Consumption"
    ) -> AsyncGenerator[None, None]:
        meter = self._meter_of(call)
        if meter is None:
            yield
            return
        estimate = estimated_tokens(generation)
        try:
            meter.reserve_tokens(estimate)
        finally:
            call.response_headers.update(meter.headers())
        try:
            yield
        finally:
            meter.settle_tokens(estimate, consumption.num_tokens(estimate))
            # In time for a whole answer; the headers of a stream have gone out with the estimate.
            call.response_headers.update(meter.headers())

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


class Consumption:
    """The tokens of one generation as it goes on. has_run: it came to its place."""

    def __init__(self) -> None:
        self.has_run = False
        self._usage: dict[int, Usage] = {}

    def event(self, index: int, event: Event) -> None:
        """Answer number `index` went on."""
        if not isinstance(event, LogprobsDelta) and event.usage is not None:
            self._usage[index] = event.usage

    def num_tokens(self, estimate: int) -> int:
        """Prompt, which is computed once, and all answers. What was broken off before it told any counts
        costs the estimate of its prompt, if it ran."""
        if not self._usage:
            return estimate if self.has_run else 0
        prompt = max(usage.prompt_tokens for usage in self._usage.values())
        return prompt + sum(usage.completion_tokens for usage in self._usage.values())


def estimated_tokens(generation: Generation) -> int:
    """About how many tokens the prompt has, without a tokenizer."""
    prompt = generation.prompt
    if isinstance(prompt, tuple):
        return len(prompt)
    texts = [prompt or ""]
    for message in generation.messages:
        texts += [message.content, message.reasoning or "", *(str(c.arguments) for c in message.tool_calls)]
    num_bytes = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    num_bytes += sum(len(str(tool.wire)) for tool in generation.tools)
    return 1 + num_bytes // _BYTES_PER_TOKEN
