"""Block accounting: who holds what, and when a sliding block may go."""

import pytest
from driving import request

from flashstep.engine.block_manager import BlockManager, min_sliding_blocks
from flashstep.engine.block_pool import BlockPool
from flashstep.engine.block_table import BlockTable
from flashstep.engine.prefix_cache import MISS
from flashstep.engine.sequence import Sequence


def make_blocks(**sizes) -> BlockManager:
    defaults = dict(
        block_size=4, num_full_blocks=20, num_sliding_blocks=12, window_tokens=5, num_stale_rows=2
    )
    return BlockManager(**{**defaults, **sizes})


def make_sequence(num_tokens: int) -> Sequence:
    return Sequence(
        request(prompt=range(num_tokens)), max_total_tokens=500, num_drafts=3,
        arrived_s=0.0,
    )  # fmt: skip


def test_admission_takes_the_full_blocks_of_all_known_tokens_and_release_returns_them():
    blocks, seq = make_blocks(), make_sequence(17)
    assert blocks.admit(seq)
    assert (blocks.full.num_owned, blocks.full.num_free, blocks.sliding.num_owned) == (5, 15, 0)
    blocks.check([seq])
    blocks.release(seq)
    blocks.check([])
    assert blocks.full.num_free == 20


def test_a_prompt_larger_than_the_free_blocks_is_not_admitted():
    assert not make_blocks(num_full_blocks=4).admit(make_sequence(17))
    assert make_blocks(num_full_blocks=5).admit(make_sequence(17))


def test_who_waits_for_blocks_is_searched_for_when_one_comes_free_and_now_and_then(monkeypatch):
    blocks, running, waiting = make_blocks(), make_sequence(17), make_sequence(70)
    assert blocks.admit(running)
    searched = []
    monkeypatch.setattr(blocks, "_find", lambda *args: searched.append(args) or (MISS, MISS))
    for _ in range(33):
        assert not blocks.admit(waiting)
    assert len(searched) == 3, "once in sixteen steps"
    assert blocks.admit(make_sequence(8))
    assert len(searched) == 4, "another one is not made to wait"
    assert not blocks.admit(waiting)
    blocks.release(running)
    assert blocks.admit(waiting)
    assert len(searched) == 6


def test_room_counts_what_is_left_in_owned_blocks_and_in_the_smaller_pool():
    blocks, seq = make_blocks(num_full_blocks=3, num_sliding_blocks=2), make_sequence(6)
    blocks.admit(seq)
    assert blocks.room(seq) == 8  # two sliding blocks
    blocks.grow(seq, 6)
    seq.num_computed_tokens = 6
    assert blocks.room(seq) == 2


@pytest.mark.parametrize("block_size", [1, 2, 4, 16])
@pytest.mark.parametrize(("window", "stale"), [(1, 0), (5, 0), (5, 2), (8, 2)])
def test_exactly_the_sliding_blocks_that_a_later_row_can_read_are_kept(block_size, window, stale):
    blocks = make_blocks(
        block_size=block_size, num_full_blocks=200, num_sliding_blocks=200,
        window_tokens=window, num_stale_rows=stale,
    )  # fmt: skip
    seq = make_sequence(80)
    blocks.admit(seq)
    for computed in range(80):
        seq.num_computed_tokens = computed
        blocks.release_old(seq)
        blocks.grow(seq, 1)
        blocks.check([seq])
        lowest_row = max(0, computed - stale)
        readable = {p // block_size for p in range(max(0, lowest_row - window + 1), computed + 1)}
        held = {i for i, b in enumerate(seq.sliding_table.row(seq.sliding_table.num_blocks)) if b >= 0}
        assert held == set(range(min(readable), computed // block_size + 1))
        assert len(held) <= min_sliding_blocks(window, stale, block_size)


def test_a_lost_block_breaks_the_equation():
    blocks, seq = make_blocks(), make_sequence(9)
    blocks.admit(seq)
    seq.full_table.clear()
    with pytest.raises(AssertionError, match="not owned as often as counted"):
        blocks.check([seq])


def test_a_block_that_is_free_and_owned_breaks_the_equation():
    pool = BlockPool("full", 4)
    taken = pool.take(2)
    pool.check(taken)
    with pytest.raises(AssertionError, match="not owned as often as counted"):
        pool.check([taken[0], 3])


def test_freeing_a_block_twice_is_refused():
    pool = BlockPool("full", 4)
    taken = pool.take(1)
    pool.give_back(taken)
    with pytest.raises(KeyError):
        pool.give_back(taken)


def test_a_shared_block_is_free_only_when_its_last_owner_has_gone():
    pool = BlockPool("full", 4)
    taken = pool.take(2)
    pool.register(taken[0])
    pool.share([taken[0]])
    pool.check([*taken, taken[0]])
    pool.give_back(taken)
    assert (pool.num_owned, pool.num_cached, pool.num_free) == (1, 0, 3)
    pool.give_back([taken[0]])
    assert (pool.num_owned, pool.num_cached, pool.num_free) == (0, 1, 3)
    pool.unregister(taken[0])
    pool.check([])
    assert pool.num_free == 4


def test_a_table_keeps_its_index_when_old_blocks_are_released_and_when_it_grows():
    table = BlockTable()
    table.append(list(range(100, 106)))
    assert table.release_before(2) == [100, 101]
    table.append(list(range(106, 120)))
    assert table.row(22).tolist() == [-1, -1, *range(102, 120), -1, -1]
    assert table.owned() == list(range(102, 120))
    assert table.clear() == list(range(102, 120))
    assert table.row(22).tolist() == [-1] * 22
