"""Accounting of cache blocks; holds no tensors and does not decide who is preempted (scheduler).

Two pools with one block size: `full` keeps every token of a sequence, `sliding` only those that a
row still to be computed can read. Keeps free + cached + owned == total in each pool; nothing is
cached between requests in this edition, so cached is 0.

Which sliding blocks are needed: the next trunk row is at c = num_computed_tokens, and the draft
pass after it starts `num_stale_rows` earlier (MTP rows that had read a guessed token are computed
again). A row at p reads positions p - window_tokens + 1 .. p. So every position from
c - num_stale_rows - window_tokens + 1 on is kept; rejected drafts sit at or behind c and are
simply overwritten.
"""

from collections import Counter
from collections.abc import Iterable

from flashstep.engine.sequence import Sequence


class BlockPool:
    """The free blocks of one pool. Blocks freed last are handed out first (their memory is warm)."""

    __slots__ = ("_free", "name", "num_cached", "num_owned", "total")

    def __init__(self, name: str, total: int) -> None:
        self.name = name
        self.total = total
        self.num_owned = 0
        self.num_cached = 0
        self._free = list(range(total - 1, -1, -1))

    @property
    def num_free(self) -> int:
        """Blocks that `take` can still hand out."""
        return len(self._free)

    def take(self, count: int) -> list[int]:
        """Hand out `count` blocks; the caller made sure that they are there."""
        assert count <= len(self._free), f"{self.name}: {count} blocks asked, {len(self._free)} free"
        blocks = [self._free.pop() for _ in range(count)]
        self.num_owned += count
        return blocks

    def give_back(self, blocks: list[int]) -> None:
        """Take back blocks that a sequence owned."""
        self._free.extend(reversed(blocks))
        self.num_owned -= len(blocks)

    def check(self, owned: Iterable[int]) -> None:
        """Assert the equation, and that free blocks and `owned` ones together are each block once."""
        parts = f"free {self.num_free} + cached {self.num_cached} + owned {self.num_owned}"
        balance = self.num_free + self.num_cached + self.num_owned
        assert balance == self.total, f"{self.name}: {parts} != total {self.total}"
        seen = Counter(self._free)
        seen.update(owned)
        wrong = {block: seen[block] for block in range(self.total) if seen[block] != 1}
        assert not wrong, f"{self.name}: blocks not held exactly once: {wrong}"
        assert len(seen) == self.total, f"{self.name}: unknown blocks {set(seen) - set(range(self.total))}"


class BlockManager:
    """Gives sequences the blocks they write into, and takes back the ones nobody reads again."""

    def __init__(
        self, *, block_size: int, num_full_blocks: int, num_sliding_blocks: int,
        window_tokens: int, num_stale_rows: int,
    ) -> None:  # fmt: skip
        self.block_size = block_size
        self.full = BlockPool("full", num_full_blocks)
        self.sliding = BlockPool("sliding", num_sliding_blocks)
        self._reach = num_stale_rows + window_tokens - 1

    @property
    def capacity_tokens(self) -> int:
        """Tokens that one sequence alone can hold."""
        return self.full.total * self.block_size

    def can_admit(self, seq: Sequence) -> bool:
        """Look only: is there room for all known tokens in `full` and for one more in `sliding`?"""
        return self._blocks(seq.num_tokens) <= self.full.num_free and self.sliding.num_free > 0

    def admit(self, seq: Sequence) -> None:
        """Take the full blocks of all known tokens at once, so that a long prompt, once started,
        is not overtaken; sliding blocks are taken chunk by chunk."""
        seq.full_table.append(self.full.take(self._blocks(seq.num_tokens)))

    def room(self, seq: Sequence) -> int:
        """Look only: how many tokens behind the computed ones could be written now."""
        full = seq.full_table.num_blocks + self.full.num_free
        sliding = seq.sliding_table.num_blocks + self.sliding.num_free
        return min(full, sliding) * self.block_size - seq.num_computed_tokens

    def grow(self, seq: Sequence, query_len: int) -> None:
        """Take what `query_len` tokens behind the computed ones need; at most `room`."""
        needed = self._blocks(seq.num_computed_tokens + query_len)
        if needed > seq.full_table.num_blocks:
            seq.full_table.append(self.full.take(needed - seq.full_table.num_blocks))
        if needed > seq.sliding_table.num_blocks:
            seq.sliding_table.append(self.sliding.take(needed - seq.sliding_table.num_blocks))

    def release_old(self, seq: Sequence) -> None:
        """Free the sliding blocks that no row still to be computed can read."""
        first = (seq.num_computed_tokens - self._reach) // self.block_size
        if first > seq.sliding_table.num_released:
            self.sliding.give_back(seq.sliding_table.release_before(first))

    def release(self, seq: Sequence) -> None:
        """Free everything that the sequence owns."""
        self.full.give_back(seq.full_table.clear())
        self.sliding.give_back(seq.sliding_table.clear())

    def check(self, sequences: Iterable[Sequence]) -> None:
        """Assert the block equation of both pools against the tables of all `sequences`."""
        seqs = list(sequences)
        self.full.check(block for seq in seqs for block in seq.full_table.owned())
        self.sliding.check(block for seq in seqs for block in seq.sliding_table.owned())

    def _blocks(self, num_tokens: int) -> int:
        return -(-num_tokens // self.block_size)


def min_sliding_blocks(window_tokens: int, num_stale_rows: int, block_size: int) -> int:
    """Blocks that one sequence needs to move on by one token, wherever blocks begin.

    >>> min_sliding_blocks(window_tokens=5, num_stale_rows=2, block_size=4)
    3
    """
    span = window_tokens + num_stale_rows
    return (span + block_size - 2) // block_size + 1
