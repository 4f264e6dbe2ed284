"""The blocks of one pool: free, owned by sequences (several may share one), or cached.

A cached block belongs to nobody but still holds what the prefix cache knows it by; it is handed out
when no free block is left, the one unused for longest first. Keeps free + cached + owned == total.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable


class BlockPool:
    """Blocks freed last are handed out first (their memory is warm).

    `on_evict` is told of each cached block that is handed out.
    """

    __slots__ = ("_cached", "_free", "_num_users", "_registered", "name", "on_evict", "total")

    def __init__(self, name: str, total: int) -> None:
        self.name = name
        self.total = total
        self.on_evict: Callable[[int], None] = lambda block: None
        self._free = list(range(total - 1, -1, -1))
        self._cached: OrderedDict[int, None] = OrderedDict()  # unused for longest first
        self._num_users: dict[int, int] = {}
        self._registered: set[int] = set()

    @property
    def num_available(self) -> int:
        """Blocks that `take` can still hand out, free or cached."""
        return len(self._free) + len(self._cached)

    @property
    def num_cached(self) -> int:
        """Blocks that nobody owns but that can be found again."""
        return len(self._cached)

    @property
    def num_free(self) -> int:
        """Blocks without content."""
        return len(self._free)

    @property
    def num_owned(self) -> int:
        """Blocks that at least one sequence owns."""
        return len(self._num_users)

    def take(self, count: int) -> list[int]:
        """Hand out `count` blocks; the caller made sure that they are available."""
        assert count <= self.num_available, f"{self.name}: {count} asked, {self.num_available} available"
        blocks = [self._free.pop() if self._free else self._evict() for _ in range(count)]
        for block in blocks:
            self._num_users[block] = 1
        return blocks

    def share(self, blocks: Iterable[int]) -> None:
        """Let one more sequence own these registered blocks."""
        for block in blocks:
            self._cached.pop(block, None)
            self._num_users[block] = self._num_users.get(block, 0) + 1

    def num_unused(self, blocks: Iterable[int]) -> int:
        """How many of `blocks` nobody owns, so that sharing them makes fewer available."""
        return sum(block in self._cached for block in blocks)

    def give_back(self, blocks: list[int]) -> None:
        """Take back blocks that a sequence owned. The last of them will be evicted first: a chain
        is of use only from its beginning."""
        for block in reversed(blocks):
            self._num_users[block] -= 1
            if self._num_users[block]:
                continue
            del self._num_users[block]
            if block in self._registered:
                self._cached[block] = None
            else:
                self._free.append(block)

    def register(self, block: int) -> None:
        """Keep this owned block's content when nobody owns it any more."""
        self._registered.add(block)

    def unregister(self, block: int) -> None:
        """Its content is of no use any more."""
        self._registered.discard(block)
        if block in self._cached:
            del self._cached[block]
            self._free.append(block)

    def check(self, owned: Iterable[int]) -> None:
        """Assert the equation, and that each block is free, cached, or owned as often as `owned` says."""
        parts = f"free {self.num_free} + cached {self.num_cached} + owned {self.num_owned}"
        assert self.num_free + self.num_cached + self.num_owned == self.total, (
            f"{self.name}: {parts} != total {self.total}"
        )
        places = Counter(self._free) + Counter(self._cached.keys()) + Counter(self._num_users.keys())
        wrong = {block: places[block] for block in range(self.total) if places[block] != 1}
        assert not wrong, f"{self.name}: blocks not in exactly one place: {wrong}"
        users = Counter(owned)
        assert users == self._num_users, (
            f"{self.name}: blocks not owned as often as counted: {users} != {self._num_users}"
        )
        assert set(self._cached) <= self._registered, f"{self.name}: cached without content"

    def _evict(self) -> int:
        block, _ = self._cached.popitem(last=False)
        self._registered.remove(block)
        self.on_evict(block)
        return block
