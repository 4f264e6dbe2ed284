"""The places of the engine, and the bounded queue before them.

At most `num_places` are taken at once, a request for n answers takes n of them, and nobody is passed by
because he needs many. Who would wait in a full queue, or has waited too long, is refused with an
estimate of when to come again: how long places were held of late, times what is before him. Runs in
one event loop; nothing here blocks.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

from flashstep.errors import Overloaded
from flashstep.server.limits.turns import Turns, Waiter

_MAX_RETRY_S = 60.0  # clients ignore long ones
_FIRST_HOLD_S = 1.0  # before anything was measured
_SMOOTHING = 0.1


class Queue:
    """Gives places and takes them back.

    max_waiting: requests in the queue. max_wait_s: seconds that one waits. clock: seconds, monotonic.
    num_refused: by reason, "full" or "wait".
    """

    def __init__(
        self,
        num_places: int,
        *,
        max_waiting: int,
        max_wait_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._num_places = num_places
        self._max_waiting = max_waiting
        self._max_wait_s = max_wait_s
        self._clock = clock
        self._turns = Turns()
        self._num_taken = 0
        self._hold_s = _FIRST_HOLD_S  # of a place, smoothed
        self.num_refused = {"full": 0, "wait": 0}

    @property
    def num_taken(self) -> int:
        """Places taken."""
        return self._num_taken

    @property
    def num_waiting(self) -> int:
        """Requests in the queue."""
        return len(self._turns)

    @asynccontextmanager
    async def place(
        self, client: str | None, num_places: int, on_wait: Callable[[int], None]
    ) -> AsyncGenerator[None, None]:
        """Wait for the places and hold them. `on_wait` gets the position when there is a wait. Leaving
        early, or being cancelled, gives the turn to the next. Raises Overloaded."""
        weight = min(num_places, self._num_places)
        await self._enter(client, weight, on_wait)
        began_s = self._clock()
        try:
            yield
        finally:
            held_s = self._clock() - began_s
            self._hold_s += _SMOOTHING * (held_s - self._hold_s)
            self._give_back(weight)

    async def _enter(self, client: str | None, weight: int, on_wait: Callable[[int], None]) -> None:
        if not len(self._turns) and self._num_taken + weight <= self._num_places:
            self._num_taken += weight
            return
        self._make_room(client)
        waiter = Waiter(client, weight)
        on_wait(self._turns.add(waiter))
        try:
            async with asyncio.timeout(self._max_wait_s):
                await waiter.turn
        except TimeoutError:
            self._leave(waiter)
            raise self._refusal("wait") from None
        except asyncio.CancelledError:
            self._leave(waiter)
            raise

    def _make_room(self, newcomer: str | None) -> None:
        if len(self._turns) < self._max_waiting:
            return
        greedy = self._turns.last_of_the_greediest(newcomer)
        refusal = self._refusal("full")
        if greedy is None:
            raise refusal
        self._turns.remove(greedy)
        with suppress(asyncio.InvalidStateError):  # its client left just now
            greedy.turn.set_exception(refusal)

    def _leave(self, waiter: Waiter) -> None:
        """Forget a waiter that gave up, also when its turn came at the same moment."""
        turn = waiter.turn
        if turn.done() and not turn.cancelled() and turn.exception() is None:
            self._give_back(waiter.weight)
            return
        self._turns.remove(waiter)
        self._admit()  # a big one that left may have kept back smaller ones

    def _give_back(self, weight: int) -> None:
        self._num_taken -= weight
        self._admit()

    def _admit(self) -> None:
        while (waiter := self._turns.first()) is not None:
            if waiter.turn.done():  # cancelled, and not yet come to leave
                self._turns.remove(waiter)
            elif self._num_taken + waiter.weight <= self._num_places:
                self._turns.take_first()
                self._num_taken += waiter.weight
                waiter.turn.set_result(None)
            else:
                return

    def _refusal(self, reason: str) -> Overloaded:
        self.num_refused[reason] += 1
        rounds = (len(self._turns) + 1) / self._num_places
        retry_after_s = min(max(1.0, rounds * self._hold_s), _MAX_RETRY_S)
        if reason == "full":
            message = f"the server is busy: {len(self._turns)} requests are waiting already, its limit"
        else:
            message = f"the server is busy: no place became free within {self._max_wait_s:g} seconds"
        return Overloaded(f"{message}; try again in {retry_after_s:.0f} s", retry_after_s=retry_after_s)
