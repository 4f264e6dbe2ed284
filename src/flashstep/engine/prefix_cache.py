"""Finds blocks of earlier requests that begin with the same tokens.

A block's key is a hash of its tokens and of the key of the block before it, so one key stands for a
whole prefix; tokens are compared as well, so that a collision is a miss. A prefix of `b` blocks can be
taken over when its `b` full blocks are there and of the sliding pool those that the next row can
still read.

MTP rows read some tokens behind their own position, so those at a block's end depend on what came behind
the block. A sequence that drafts takes over only sliding blocks that a drafting sequence wrote and behind
which both go on alike for as far as these rows read; its drafts are then those it would have without the
cache. Where prefixes part right behind a block, the sequence that comes last puts its own rows in the place
of the other's.
"""

from collections.abc import Sequence as Ordered
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

from flashstep.engine.block_pool import BlockPool

ROOT = 0  # the key in front of the first block


@dataclass(slots=True)
class _Entry:
    """One known block of a prefix. sliding_block: None once that block is gone. ahead: the tokens behind it
    that its MTP rows have read, None when it has no such rows."""

    parent: int
    token_ids: tuple[int, ...]
    full_block: int
    sliding_block: int | None
    ahead: tuple[int, ...] | None


class Hit(NamedTuple):
    """A prefix to take over: `keys` and `full_blocks` of all blocks, `sliding_blocks` of the last."""

    keys: list[int]
    full_blocks: list[int]
    sliding_blocks: list[int]


MISS = Hit([], [], [])


class KeyChain:
    """Keys and tokens of the whole blocks of a token list that only ever grows; each is computed once."""

    __slots__ = ("_block_size", "keys", "token_blocks")

    def __init__(self, block_size: int) -> None:
        self._block_size = block_size
        self.keys: list[int] = []
        self.token_blocks: list[tuple[int, ...]] = []

    def extend(self, token_ids: Ordered[int]) -> None:
        """Add the blocks that are complete since the last call, which had the beginning of `token_ids`."""
        size = self._block_size
        for index in range(len(self.keys), len(token_ids) // size):
            block_ids = tuple(token_ids[index * size : (index + 1) * size])
            self.keys.append(hash((self.keys[-1] if self.keys else ROOT, block_ids)))
            self.token_blocks.append(block_ids)


class PrefixCache:
    """Knows the registered blocks of both pools by the tokens in and before them.

    reach: positions before the next row that a sliding layer may still read.
    version: grows whenever the answer of `find` may have changed.
    """

    def __init__(self, full: BlockPool, sliding: BlockPool, *, block_size: int, reach: int) -> None:
        self._full = full
        self._sliding = sliding
        self.block_size = block_size
        self.version = 0
        self._reach = reach
        self._entries: dict[int, _Entry] = {}
        self._key_of_full: dict[int, int] = {}
        self._key_of_sliding: dict[int, int] = {}
        full.on_evict = self._drop_full
        sliding.on_evict = self._drop_sliding

    def find(self, token_ids: Ordered[int], *, drafts: bool) -> Hit:
        """The longest prefix of `token_ids` that can be taken over, leaving at least one token."""
        chain = KeyChain(self.block_size)
        chain.extend(token_ids)
        return self.find_chain(chain, token_ids, drafts=drafts)

    def find_chain(self, chain: KeyChain, token_ids: Ordered[int], *, drafts: bool) -> Hit:
        """`find` for tokens whose whole blocks are in `chain`."""
        size = self.block_size
        keys = chain.keys[: min(self._num_known(chain), (len(token_ids) - 1) // size)]
        entries = [self._entries[key] for key in keys]
        usable = [
            entry.sliding_block is not None and (not drafts or _reads_alike(entry, token_ids, end))
            for entry, end in zip(entries, count(size, size), strict=False)
        ]
        for length in range(len(usable), 0, -1):
            first = max(0, (length * size - self._reach) // size)
            if all(usable[first:length]):
                entries = entries[:length]
                sliding = [e.sliding_block for e in entries[first:] if e.sliding_block is not None]
                return Hit(keys[:length], [e.full_block for e in entries], sliding)
        return MISS

    def add(
        self,
        parent: int,
        token_ids: tuple[int, ...],
        full_block: int,
        sliding_block: int | None,
        *,
        ahead: tuple[int, ...] | None,
    ) -> int | None:
        """Register a block that is complete and final; returns its key, None when the key is taken by
        another prefix (a collision), behind which nothing can be registered. ahead: the tokens behind it that
        its MTP rows have read, None without such rows."""
        key = hash((parent, token_ids))
        entry = self._entries.get(key)
        if entry is None:
            self.version += 1
            self._entries[key] = _Entry(parent, token_ids, full_block, None, None)
            self._key_of_full[full_block] = key
            self._full.register(full_block)
        elif entry.parent != parent or entry.token_ids != token_ids:
            return None
        if sliding_block is not None:
            self._add_sliding(key, sliding_block, ahead)
        return key

    def _add_sliding(self, key: int, block: int, ahead: tuple[int, ...] | None) -> None:
        """Remember a sliding block, unless one that is at least as good is known."""
        entry = self._entries[key]
        old = entry.sliding_block
        if old is not None:
            if old == block or ahead in (None, entry.ahead):
                return
            del self._key_of_sliding[old]
            self._sliding.unregister(old)
        self.version += 1
        entry.sliding_block, entry.ahead = block, ahead
        self._key_of_sliding[block] = key
        self._sliding.register(block)

    def _num_known(self, chain: KeyChain) -> int:
        """How many leading blocks of `chain` are known."""
        parent = ROOT
        for index, (key, block_ids) in enumerate(zip(chain.keys, chain.token_blocks, strict=True)):
            entry = self._entries.get(key)
            if entry is None or entry.parent != parent or entry.token_ids != block_ids:
                return index
            parent = key
        return len(chain.keys)

    def _drop_full(self, block: int) -> None:
        self.version += 1
        entry = self._entries.pop(self._key_of_full.pop(block))
        if entry.sliding_block is not None:
            del self._key_of_sliding[entry.sliding_block]
            self._sliding.unregister(entry.sliding_block)

    def _drop_sliding(self, block: int) -> None:
        self.version += 1
        self._entries[self._key_of_sliding.pop(block)].sliding_block = None


def _reads_alike(entry: _Entry, token_ids: Ordered[int], end: int) -> bool:
    """Has a block, with `end` tokens up to its own end, the MTP rows that it would have in `token_ids`?"""
    return entry.ahead is not None and tuple(token_ids[end : end + len(entry.ahead)]) == entry.ahead
