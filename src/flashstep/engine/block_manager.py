"""Accounting of cache blocks; holds no tensors and does not decide who is preempted (scheduler).

Two pools with one block size: `full` keeps every token of a sequence, `sliding` only those that a
row still to be computed can read. Complete blocks are registered in the prefix cache before they are
let go, and a new sequence takes over those that begin like it.

Which sliding blocks are needed: the next trunk row is at c = num_computed_tokens, and the draft
pass after it starts up to `num_stale_rows` earlier (MTP rows that had read a wrong guess are computed
again). A row at p reads positions p - window_tokens + 1 .. p. So every position from
c - num_stale_rows - window_tokens + 1 on is kept; rejected drafts sit at or behind c and are
simply overwritten.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from flashstep.engine.block_pool import BlockPool
from flashstep.engine.prefix_cache import MISS, ROOT, Hit, PrefixCache
from flashstep.engine.prefix_lookup import PrefixLookup
from flashstep.engine.sequence import Sequence

# What a sequence computes again rather than not draft. So many tokens take 30 plain steps or more, which is
# what drafting saves an answer of some hundred tokens (dev/LOG.md, 2026-11-28).
_PATIENCE_TOKENS = 64
_MORE_PATIENCE_TOKENS = 16  # for each sequence that gave drafting up: about what that cost a short answer
_MOST_PATIENCE_TOKENS = 2048  # a few steps of the default budget, so that no first token is much delayed
# Searching the prefix cache for a long prompt takes longer than a step of a small model; so while one waits
# and no block comes free, what running sequences register in the meantime is looked at every so many steps.
_STEPS_PER_SEARCH = 16


@dataclass(slots=True)
class _Refusal:
    """The last sequence that found no room, the full blocks that there were, the steps since its search."""

    sequence: Sequence
    num_available: int
    num_steps: int = 0


class BlockManager:
    """Gives sequences the blocks they write into, and takes back the ones nobody reads again.

    num_lookahead: how far behind its position an MTP row reads; 0 without drafting.
    caches_prefixes False: every prompt is computed anew.
    """

    def __init__(
        self, *, block_size: int, num_full_blocks: int, num_sliding_blocks: int,
        window_tokens: int, num_stale_rows: int, num_lookahead: int = 0, caches_prefixes: bool = True,
    ) -> None:  # fmt: skip
        self.block_size = block_size
        self.full = BlockPool("full", num_full_blocks)
        self.sliding = BlockPool("sliding", num_sliding_blocks)
        self._reach = num_stale_rows + window_tokens - 1
        self._num_stale_rows = num_stale_rows
        self._num_lookahead = num_lookahead
        self.num_hit_tokens = 0
        self._patience_tokens = _PATIENCE_TOKENS
        self._cache = PrefixCache(
            self.full, self.sliding, block_size=block_size, reach=self._reach,
        ) if caches_prefixes else None  # fmt: skip
        self._lookup: PrefixLookup | None = None  # of the sequence that was refused last
        self._refusal: _Refusal | None = None

    @property
    def capacity_tokens(self) -> int:
        """Tokens that one sequence alone can hold."""
        return self.full.total * self.block_size

    def admit(self, seq: Sequence, *, may_draft: bool = True) -> bool:
        """Take the full blocks of all known tokens at once, so that a long prompt, once started, is
        not overtaken; sliding blocks are taken chunk by chunk. A known prefix is taken over, and
        counts as computed. A sequence that drafts stops, when it may not or for a much longer prefix.
        False, and nothing taken or changed, when there is no room."""
        if self._stays_refused(seq):
            return False
        drafts = may_draft and seq.num_drafts > 0
        own, longest = self._find(seq, drafts)
        num_more = (len(longest.full_blocks) - len(own.full_blocks)) * self.block_size
        gives_up = num_more > self._patience_tokens
        hit = longest if gives_up else own
        num_new = self._blocks(seq.num_tokens) - len(hit.full_blocks)
        full_left = self.full.num_available - self.full.num_unused(hit.full_blocks)
        sliding_left = self.sliding.num_available - self.sliding.num_unused(hit.sliding_blocks)
        if num_new > full_left or sliding_left < 1:
            self._refusal = _Refusal(seq, self.full.num_available) if num_new > full_left else None
            return False
        self._lookup = self._refusal = None
        if gives_up or not drafts:
            seq.stop_drafting()
        self._settle(num_more, gives_up)
        self._take_over(seq, hit)
        seq.full_table.append(self.full.take(num_new))
        return True

    def forget(self, seq: Sequence) -> None:
        """A sequence that waits will not be asked about again."""
        if self._lookup is not None and self._lookup.sequence is seq:
            self._lookup = None
        if self._refusal is not None and self._refusal.sequence is seq:
            self._refusal = None

    def _stays_refused(self, seq: Sequence) -> bool:
        refusal = self._refusal
        if refusal is None or refusal.sequence is not seq or self.full.num_available > refusal.num_available:
            return False
        refusal.num_steps += 1
        return refusal.num_steps < _STEPS_PER_SEARCH

    def _find(self, seq: Sequence, drafts: bool) -> tuple[Hit, Hit]:
        """The longest prefix for a sequence that drafts or does not, and for one that does not."""
        # Scores of the prompt's own tokens need its rows computed.
        if self._cache is None or seq.params.prompt_logprobs is not None:
            return MISS, MISS
        if self._lookup is None or self._lookup.sequence is not seq:
            self._lookup = PrefixLookup(self._cache, seq)
        return self._lookup.find(drafts=drafts), self._lookup.find(drafts=False)

    def _settle(self, num_more: int, gives_up: bool) -> None:
        """Each sequence that gave up drafting lets a later one compute more again, whose rows then serve
        drafting ones: else a prompt that many share, once computed without drafts, would end them for all."""
        if gives_up:
            self._patience_tokens = min(self._patience_tokens + _MORE_PATIENCE_TOKENS, _MOST_PATIENCE_TOKENS)
        else:
            self._patience_tokens = max(self._patience_tokens - num_more, _PATIENCE_TOKENS)

    def _take_over(self, seq: Sequence, hit: Hit) -> None:
        self.full.share(hit.full_blocks)
        self.sliding.share(hit.sliding_blocks)
        seq.full_table.append(hit.full_blocks)
        seq.sliding_table.adopt(len(hit.full_blocks) - len(hit.sliding_blocks), hit.sliding_blocks)
        seq.block_keys = list(hit.keys)
        seq.num_computed_tokens = len(hit.full_blocks) * self.block_size
        if not seq.was_admitted:  # coming back after preemption is no hit that anyone asked for
            seq.num_cached_tokens = seq.num_computed_tokens
            self.num_hit_tokens += seq.num_cached_tokens

    def room(self, seq: Sequence) -> int:
        """Look only: how many tokens behind the computed ones could be written now."""
        full = seq.full_table.num_blocks + self.full.num_available
        sliding = seq.sliding_table.num_blocks + self.sliding.num_available
        return min(full, sliding) * self.block_size - seq.num_computed_tokens

    def grow(self, seq: Sequence, query_len: int) -> None:
        """Take what `query_len` tokens behind the computed ones need; at most `room`."""
        needed = self._blocks(seq.num_computed_tokens + query_len)
        if needed > seq.full_table.num_blocks:
            seq.full_table.append(self.full.take(needed - seq.full_table.num_blocks))
        if needed > seq.sliding_table.num_blocks:
            seq.sliding_table.append(self.sliding.take(needed - seq.sliding_table.num_blocks))

    def reserve(self, seqs: list[Sequence], num_tokens: int) -> bool:
        """Take what so many tokens behind the computed ones need, for all of the sequences; False, and
        nothing taken, when that is more than there is."""
        ends = [self._blocks(seq.num_computed_tokens + num_tokens) for seq in seqs]
        full = sum(max(0, end - seq.full_table.num_blocks) for seq, end in zip(seqs, ends, strict=True))
        sliding = sum(max(0, end - seq.sliding_table.num_blocks) for seq, end in zip(seqs, ends, strict=True))
        if full > self.full.num_available or sliding > self.sliding.num_available:
            return False
        for seq in seqs:
            self.grow(seq, num_tokens)
        return True

    def release_old(self, seq: Sequence) -> None:
        """Register what is complete, then free the sliding blocks that no later row can read."""
        self._register(seq)
        first = (seq.num_computed_tokens - self._reach) // self.block_size
        if first > seq.sliding_table.num_released:
            self.sliding.give_back(seq.sliding_table.release_before(first))

    def release(self, seq: Sequence) -> None:
        """Free everything that the sequence owns."""
        if seq.num_drafts == 0:  # else the MTP modules have not seen the rows of the last pass
            self._register(seq)
        seq.block_keys = []
        self.full.give_back(seq.full_table.clear())
        self.sliding.give_back(seq.sliding_table.clear())

    def _register(self, seq: Sequence) -> None:
        """Tell the prefix cache of blocks that are complete since the last call. Of a sequence that
        drafts, the newest rows are not final: its MTP modules may compute them again."""
        if self._cache is None or seq.has_unknown_prefix:
            return
        drafts = seq.num_drafts > 0
        num_final = seq.num_computed_tokens - (self._num_stale_rows if drafts else 0)
        for index in range(len(seq.block_keys), num_final // self.block_size):
            end = (index + 1) * self.block_size
            key = self._cache.add(
                seq.block_keys[-1] if seq.block_keys else ROOT,
                tuple(seq.token_ids[end - self.block_size : end]),
                seq.full_table[index],
                seq.sliding_table[index] if index >= seq.sliding_table.num_released else None,
                ahead=tuple(seq.token_ids[end : end + self._num_lookahead]) if drafts else None,
            )
            if key is None:
                seq.has_unknown_prefix = True
                return
            seq.block_keys.append(key)

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
