"""The policy: order, budget, chunks, preemption."""

import pytest
from driving import drain, expected, make_engine, prompt, request

from flashstep.engine.block_manager import BlockManager
from flashstep.engine.scheduler import CHEAP_POSITIONS, MIN_CHUNK_ROWS, Scheduler
from flashstep.engine.sequence import Sequence, SequenceStatus


def make_scheduler(*, max_batch_tokens=32, max_sequences=4, num_stale_rows=2, **sizes) -> Scheduler:
    defaults = dict(block_size=4, num_full_blocks=100, num_sliding_blocks=100, window_tokens=5)
    blocks = BlockManager(**{**defaults, **sizes}, num_stale_rows=num_stale_rows, caches_prefixes=False)
    return Scheduler(
        blocks, max_batch_tokens=max_batch_tokens, max_sequences=max_sequences, num_stale_rows=num_stale_rows
    )


def add(scheduler: Scheduler, name: str, num_tokens: int, *, num_drafts=0) -> Sequence:
    seq = Sequence(
        request(name, prompt(num_tokens)), max_total_tokens=num_tokens + 50, num_drafts=num_drafts,
        arrived_s=0.0,
    )  # fmt: skip
    scheduler.add(seq)
    return seq


def advance(scheduler: Scheduler, drafts=()) -> list[tuple[str, int]]:
    """One step in which no draft is accepted; returns (id, query length) as planned."""
    plan = scheduler.schedule(0.0)
    for share in plan:
        seq = share.sequence
        seq.num_computed_tokens += share.query_len - share.num_drafts
        seq.draft_token_ids = []
        if share.wants_logits:
            seq.append([11], 0.0)
            seq.draft_token_ids = list(drafts)
    return [(share.sequence.request_id, share.query_len) for share in plan]


def test_a_long_prompt_is_computed_in_chunks_of_the_token_budget():
    scheduler = make_scheduler()
    add(scheduler, "a", 70)
    assert [advance(scheduler) for _ in range(4)] == [[("a", 32)], [("a", 32)], [("a", 6)], [("a", 1)]]


def test_decode_goes_on_in_every_step_while_an_older_long_prompt_is_computed():
    scheduler = make_scheduler()
    add(scheduler, "long", 20)
    assert advance(scheduler) == [("long", 20)]
    add(scheduler, "short", 5)
    add(scheduler, "longer", 100)
    assert advance(scheduler) == [("long", 1), ("short", 5), ("longer", 26)]
    assert advance(scheduler) == [("long", 1), ("short", 1), ("longer", 30)]


def test_waiting_requests_are_admitted_in_order_and_up_to_max_sequences():
    scheduler = make_scheduler(max_sequences=2)
    for name in "abc":
        add(scheduler, name, 3)
    assert advance(scheduler) == [("a", 3), ("b", 3)]
    scheduler.finish(scheduler.running[0])
    assert advance(scheduler) == [("b", 1), ("c", 3)]


def test_a_request_that_does_not_fit_yet_holds_back_those_behind_it():
    scheduler = make_scheduler(num_full_blocks=6)
    add(scheduler, "a", 12)
    add(scheduler, "big", 16)
    add(scheduler, "tiny", 1)
    assert advance(scheduler) == [("a", 12)]
    scheduler.finish(scheduler.running[0])
    assert advance(scheduler) == [("big", 16), ("tiny", 1)]


def test_drafts_are_verified_with_their_token_and_cost_the_rows_that_are_drafted_again():
    scheduler = make_scheduler(max_batch_tokens=12)
    add(scheduler, "a", 2, num_drafts=3)
    advance(scheduler, drafts=[8, 8, 8])
    add(scheduler, "b", 40)
    # 12 rows: a takes 1 + 3 drafts and 2 rows again, which leaves 6.
    assert advance(scheduler) == [("a", 4), ("b", 6)]


def test_drafts_shrink_to_the_room_that_is_left_before_anyone_is_preempted():
    scheduler = make_scheduler(num_full_blocks=2)
    add(scheduler, "a", 6, num_drafts=3)
    advance(scheduler, drafts=[8, 8, 8])
    plan = scheduler.schedule(0.0)
    assert [(share.query_len, share.num_drafts) for share in plan] == [(2, 1)]
    assert plan[0].sequence.draft_token_ids == [8]
    assert scheduler.num_preemptions == 0


def test_the_youngest_is_preempted_and_waits_at_the_head_of_the_queue():
    scheduler = make_scheduler(num_full_blocks=4)
    add(scheduler, "old", 8)
    young = add(scheduler, "young", 8)
    assert advance(scheduler) == [("old", 8), ("young", 8)]
    add(scheduler, "new", 1)
    assert advance(scheduler) == [("old", 1)]
    assert young.status is SequenceStatus.WAITING
    assert [seq.request_id for seq in scheduler.waiting] == ["young", "new"]
    assert (young.num_computed_tokens, young.num_tokens, young.full_table.num_blocks) == (0, 9, 0)


def test_nobody_is_admitted_in_the_step_that_preempted_someone():
    scheduler = make_scheduler(num_sliding_blocks=6)
    add(scheduler, "old", 8)
    add(scheduler, "young", 16)
    assert advance(scheduler) == [("old", 8), ("young", 16)]
    assert advance(scheduler) == [("old", 1)]  # three sliding blocks are free again
    assert advance(scheduler) == [("old", 1), ("young", 12)]


def test_a_preempted_sequence_is_computed_again_with_its_own_answer():
    scheduler = make_scheduler(num_full_blocks=4)
    add(scheduler, "old", 8)
    add(scheduler, "young", 6)
    advance(scheduler)
    advance(scheduler)
    assert scheduler.num_preemptions == 1
    scheduler.finish(scheduler.running[0])
    assert advance(scheduler) == [("young", 7)]  # 6 of the prompt, 1 of the answer


def test_a_sequence_can_move_on_alone_in_the_smallest_pools(toy_config):
    engine = make_engine(
        toy_config, num_draft_tokens=3, num_sliding_blocks=3, num_full_blocks=20, acceptance=0.6,
        max_sequences=3, max_batch_tokens=40,
    )  # fmt: skip
    requests = [request(f"r{i}", prompt(30 + i, i), eos=frozenset(), max_tokens=25) for i in range(3)]
    for r in requests:
        engine.add(r)
    assert drain(engine) == expected(requests)


@pytest.mark.parametrize("num_full_blocks", [12, 16, 24])
def test_preemption_changes_no_answer(toy_config, num_full_blocks):
    engine = make_engine(toy_config, num_draft_tokens=3, num_full_blocks=num_full_blocks, acceptance=0.7)
    requests = [
        request(f"r{i}", prompt(4 + 3 * i, i), eos=frozenset(), temperature=0.7 * (i % 2), seed=i)
        for i in range(6)
    ]
    for r in requests:
        engine.add(r)
    assert drain(engine) == expected(requests)
    assert engine.metrics.num_preemptions > 0


def prefill_beside_a_stream(length: int, *, has_stream: bool) -> list[tuple[int, int]]:
    """(position, rows) of the chunks of a long prompt."""
    scheduler = make_scheduler(max_batch_tokens=64, num_full_blocks=length, num_sliding_blocks=60)
    if has_stream:
        add(scheduler, "stream", 2)
        advance(scheduler)
    long = add(scheduler, "long", length)
    chunks = []
    while not long.is_decoding:
        position = long.num_computed_tokens
        step = dict(advance(scheduler))
        assert ("stream" in step) == has_stream
        chunks.append((position, step["long"]))
    return chunks


def test_chunks_beside_a_running_stream_do_bounded_work_however_long_the_prompt():
    length = 6 * CHEAP_POSITIONS
    chunks = prefill_beside_a_stream(length, has_stream=True)
    assert chunks[0] == (0, 63)
    for position, rows in chunks:
        assert rows <= 63, "the stream's row is set aside"
        assert rows <= MIN_CHUNK_ROWS or rows * position <= 2 * 64 * CHEAP_POSITIONS
    assert chunks[-2][1] == MIN_CHUNK_ROWS


def test_several_long_prompts_beside_a_stream_share_the_bound():
    scheduler = make_scheduler(max_batch_tokens=64, num_full_blocks=30_000, num_sliding_blocks=200)
    add(scheduler, "stream", 2)
    advance(scheduler)
    longs = [add(scheduler, name, 5 * CHEAP_POSITIONS) for name in ("one", "two")]
    while not all(seq.is_decoding for seq in longs):
        before = {seq.request_id: seq.num_computed_tokens for seq in longs if not seq.is_decoding}
        step = dict(advance(scheduler))
        work = sum(step.get(name, 0) * position for name, position in before.items())
        assert work <= 2 * 64 * CHEAP_POSITIONS + MIN_CHUNK_ROWS * max(before.values())
        assert sum(step.get(name, 0) for name in before) > 0


def test_a_prompt_alone_is_computed_in_whole_chunks():
    chunks = prefill_beside_a_stream(3 * CHEAP_POSITIONS, has_stream=False)
    assert {rows for _, rows in chunks[:-1]} == {64}


@pytest.mark.parametrize("num_drafts", [0, 3])
def test_a_long_prompt_holds_no_more_sliding_blocks_than_window_drafts_and_chunk(num_drafts):
    scheduler = make_scheduler(max_batch_tokens=32, num_full_blocks=3000, num_sliding_blocks=60)
    seq = add(scheduler, "long", 9000, num_drafts=num_drafts)
    window, stale, size = 5, 2, 4
    while seq.num_generated < 30:
        rows = dict(advance(scheduler, drafts=[8] * num_drafts))["long"]
        held = len(seq.sliding_table.owned())
        # The oldest readable position may be the last of its block, the newest the first of its own.
        assert (held - 2) * size < window - 1 + stale + rows
        assert seq.full_table.num_blocks * size >= seq.num_computed_tokens
    assert held <= (window + stale + num_drafts + size - 2) // size + 1
