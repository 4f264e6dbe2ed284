"""A lookup that remembers against the cache's plain search."""

import pytest
from driving import drain, expected, make_engine, prompt, request
from hypothesis import given, settings
from hypothesis import strategies as st

from flashstep.engine.block_pool import BlockPool
from flashstep.engine.prefix_cache import ROOT, KeyChain, PrefixCache
from flashstep.engine.prefix_lookup import PrefixLookup
from flashstep.engine.sequence import Sequence

SIZE = 4
TEXTS = [[number % 3 + i // 9 * (number // 3) for i in range(40)] for number in range(9)]
operations_st = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 8), st.integers(1, 10), st.booleans()),
        st.tuples(st.just("evict full"), st.integers(1, 6)),
        st.tuples(st.just("evict sliding"), st.integers(1, 6)),
        st.tuples(st.just("grow"), st.integers(1, 6)),
    ),
    max_size=40,
)


class Cached:
    """A cache whose blocks are all unused, and a waiting sequence."""

    def __init__(self, text):
        self.full, self.sliding = BlockPool("full", 30), BlockPool("sliding", 20)
        self.cache = PrefixCache(self.full, self.sliding, block_size=SIZE, reach=6)
        self.text = text
        self.sequence = Sequence(request(prompt=text[:9]), max_total_tokens=100, num_drafts=3, arrived_s=0.0)
        self.lookup = PrefixLookup(self.cache, self.sequence)

    def add(self, number, count, has_mtp):
        parent = ROOT
        for index in range(count):
            full, sliding = self.full.take(1), self.sliding.take(1)
            end = (index + 1) * SIZE
            tokens = tuple(TEXTS[number][end - SIZE : end])
            ahead = tuple(TEXTS[number][end : end + 3]) if has_mtp else None
            parent = self.cache.add(parent, tokens, full[0], sliding[0], ahead=ahead)
            self.full.give_back(full)
            self.sliding.give_back(sliding)

    def evict(self, pool, count):
        pool.give_back(pool.take(pool.num_free + min(count, pool.num_cached)))

    def operate(self, name, *values):
        if name == "add":
            self.add(*values)
        elif name == "grow":
            known = self.sequence.num_tokens
            self.sequence.token_ids += self.text[known : known + values[0]]
        else:
            self.evict(self.full if name == "evict full" else self.sliding, *values)


@settings(max_examples=300, deadline=None)
@given(text=st.sampled_from(TEXTS), operations=operations_st)
def test_a_lookup_always_finds_what_a_plain_search_finds(text, operations):
    state = Cached(text)
    for operation in operations:
        state.operate(*operation)
        for drafts in (True, False):
            found = state.lookup.find(drafts=drafts)
            assert found == state.cache.find(state.sequence.token_ids, drafts=drafts)


def test_no_block_is_hashed_twice_and_nothing_is_searched_while_nothing_changes(monkeypatch):
    hashed, searched = [], []
    monkeypatch.setattr(
        "flashstep.engine.prefix_cache.hash", lambda value: hashed.append(value) or hash(value), raising=False
    )
    state = Cached(TEXTS[0])
    search = state.cache.find_chain
    monkeypatch.setattr(state.cache, "find_chain", lambda *a, **k: searched.append(a) or search(*a, **k))

    def find():
        for drafts in (True, False):
            state.lookup.find(drafts=drafts)

    for _ in range(5):
        find()
    assert (len(hashed), len(searched)) == (2, 2), "once for who drafts and once for who does not"
    state.sequence.token_ids += TEXTS[0][9:12]
    find()
    assert (len(hashed), len(searched)) == (3, 4)
    state.add(1, 1, has_mtp=True)
    hashed.clear()
    find()
    assert (len(hashed), len(searched)) == (0, 6)


def test_a_chain_is_the_same_whether_it_grows_or_is_made_at_once():
    growing, whole = KeyChain(SIZE), KeyChain(SIZE)
    for length in range(41):
        growing.extend(TEXTS[5][:length])
    whole.extend(TEXTS[5])
    assert (growing.keys, growing.token_blocks) == (whole.keys, whole.token_blocks)


def test_a_request_that_is_aborted_while_it_waits_is_forgotten(toy_config):
    engine = make_engine(toy_config, max_sequences=2, num_full_blocks=40)
    engine.add(request("a", prompt(90), max_tokens=30, ignore_eos=True))
    engine.step()
    engine.add(request("b", prompt(120, 1)))
    engine.step()
    [waiting] = engine._scheduler.waiting
    assert engine._blocks._lookup.sequence is engine._blocks._refusal.sequence is waiting
    engine.abort("b")
    assert engine._blocks._lookup is engine._blocks._refusal is None


@pytest.mark.parametrize("num_draft_tokens", [0, 3])
def test_a_long_known_prompt_that_has_to_wait_gets_its_answer(toy_config, num_draft_tokens):
    engine = make_engine(toy_config, num_draft_tokens=num_draft_tokens, max_sequences=2, num_full_blocks=40)
    first = request("a", prompt(90), max_tokens=30, ignore_eos=True)
    engine.add(first)
    engine.step()
    others = [
        request("b", (*prompt(90), 301, 302)),
        request("c", (*prompt(60), 303)),
        request("d", prompt(88)),
    ]
    for other in others:
        engine.add(other)
    assert drain(engine) == expected([first, *others])
