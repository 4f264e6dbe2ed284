"""What the prefix cache knows of one waiting sequence, which is asked at every step until there is room."""

from flashstep.engine.prefix_cache import Hit, KeyChain, PrefixCache
from flashstep.engine.sequence import Sequence


class PrefixLookup:
    """`PrefixCache.find` for one sequence: keys are computed once, and the search is repeated only when
    the cache or the sequence has changed. A long prompt would otherwise be hashed anew at every step."""

    def __init__(self, cache: PrefixCache, sequence: Sequence) -> None:
        self.sequence = sequence
        self.chain = KeyChain(cache.block_size)
        self._cache = cache
        self._state: tuple[int, int] | None = None
        self._hits: dict[bool, Hit] = {}

    def find(self, *, drafts: bool) -> Hit:
        """The longest prefix that can be taken over now, by a sequence that drafts or by one that does not;
        the caller must not change it."""
        seq = self.sequence
        state = (self._cache.version, seq.num_tokens)
        if state != self._state:
            self.chain.extend(seq.token_ids)
            self._state, self._hits = state, {}
        if drafts not in self._hits:
            self._hits[drafts] = self._cache.find_chain(self.chain, seq.token_ids, drafts=drafts)
        return self._hits[drafts]
