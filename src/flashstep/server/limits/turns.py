"""Who waits, in the order in which they come to their turn: first come first served within a client,
one of each client after another. So nobody's thousand requests stand before another's one.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Waiter:
    """One that waits. weight: places that it will take. turn: set when it has got them."""

    client: str | None
    weight: int
    turn: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Turns:
    """A queue of queues. The client at the front is next; behind its turn it goes to the back."""

    def __init__(self) -> None:
        self._by_client: dict[str | None, deque[Waiter]] = {}  # in the order of turns; none is empty
        self._num_waiters = 0

    def __len__(self) -> int:
        return self._num_waiters

    def add(self, waiter: Waiter) -> int:
        """Let it wait; its position, 1 = next, if nobody leaves or comes."""
        own = self._by_client.setdefault(waiter.client, deque())
        own.append(waiter)
        self._num_waiters += 1
        return sum(min(len(other), len(own)) for other in self._by_client.values())

    def first(self) -> Waiter | None:
        """Whose turn it is; None when nobody waits."""
        for own in self._by_client.values():
            return own[0]
        return None

    def take_first(self) -> Waiter:
        """Remove whose turn it is; its client goes to the back."""
        client, own = next(iter(self._by_client.items()))
        waiter = own.popleft()
        del self._by_client[client]
        if own:
            self._by_client[client] = own
        self._num_waiters -= 1
        return waiter

    def remove(self, waiter: Waiter) -> None:
        """Take out one that does not want to wait any more; does nothing when it is not here."""
        own = self._by_client.get(waiter.client)
        if own is None or waiter not in own:
            return
        own.remove(waiter)
        self._num_waiters -= 1
        if not own:
            del self._by_client[waiter.client]

    def last_of_the_greediest(self, newcomer: str | None) -> Waiter | None:
        """The newest waiter of the client with most, if it has at least two more than `newcomer`; None
        when the newcomer has no better claim to a place than those who are here."""
        most = max(self._by_client.values(), key=len, default=None)
        num_own = len(self._by_client.get(newcomer, ()))
        return most[-1] if most is not None and len(most) >= num_own + 2 else None
