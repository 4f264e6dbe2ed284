"""Stopping without breaking answers: refuse what is new, let finish what runs, break off the rest.

`begin` may be called from a signal handler; all else belongs to the event loop.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from flashstep.errors import Overloaded

_RETRY_S = 5.0  # by then another instance, or this one's successor, answers


class Stopped(Overloaded):
    """What ran was broken off, since the server ends."""


class Drain:
    """Whether the server is stopping, and what is still running."""

    def __init__(self) -> None:
        self._is_draining = False
        self._running: set[asyncio.Timeout] = set()
        self.num_refused = 0

    def is_draining(self) -> bool:
        """True once the server takes no new requests."""
        return self._is_draining

    def begin(self) -> None:
        """Take no new requests from now on."""
        self._is_draining = True

    @property
    def is_idle(self) -> bool:
        """True when no generation runs or waits."""
        return not self._running

    def abort(self) -> None:
        """Break off every generation; each ends with an error that says so."""
        now_s = asyncio.get_running_loop().time()
        for scope in self._running:
            if not scope.expired():
                scope.reschedule(now_s)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Around a generation. Raises Overloaded when the server is stopping, or by then has stopped."""
        if self._is_draining:
            self.num_refused += 1
            raise Overloaded(
                f"the server is stopping and takes no new requests; try again in {_RETRY_S:.0f} s",
                retry_after_s=_RETRY_S,
            )
        try:
            async with asyncio.timeout(None) as scope:
                self._running.add(scope)
                try:
                    yield
                finally:
                    self._running.discard(scope)
        except TimeoutError:
            if not scope.expired():
                raise  # someone else's
            raise Stopped(
                "the server was stopped before the answer was complete; send the request again",
                retry_after_s=_RETRY_S,
            ) from None
