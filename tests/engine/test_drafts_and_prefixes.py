"""What drafting and the prefix cache owe each other: hits in a crowd, drafts for who is alone, no holes."""

import pytest
from driving import drain, expected, make_engine, prompt, request

from flashstep.engine.draft_policy import DraftPolicy
from flashstep.engine.engine import Engine
from naive.runner import FakeRunner

SIZES = {"num_full_blocks": 900, "num_sliding_blocks": 300}


def answered(engine, asked):
    """One request to its end, whoever runs beside it: (answer, cached tokens, was it drafted for)."""
    drafted = sum(engine.metrics.num_drafted_by_position)
    engine.add(asked)
    token_ids, output = [], None
    while output is None or output.finish_reason is None:
        for request_id, new in engine.step():
            if request_id == asked.request_id:
                token_ids, output = [*token_ids, *new.token_ids], new
        engine.check()
    return token_ids, output.cached_tokens, sum(engine.metrics.num_drafted_by_position) > drafted


def alike(count):
    """Requests whose prompts of 100 tokens differ in the last ones only."""
    return [request(f"r{i}", (*prompt(96), 310 + i, 11, 12, 13), eos=frozenset()) for i in range(count)]


def naive(asked):
    return expected([asked])[asked.request_id][0]


def compute_crowd(engine, num_streams):
    """Streams that run through the whole test; their prompts are like no other."""
    for i in range(num_streams):
        engine.add(request(f"stream{i}", prompt(9, 5 + i), eos=frozenset(), max_tokens=700))
    for _ in range(2):
        engine.step()


def compute_without_drafts(engine, num_tokens):
    """Let the engine know so many tokens of `prompt` without the modules' rows, by a request of one token of
    answer, for which nobody drafts."""
    plain = request("plain", prompt(num_tokens), eos=frozenset(), max_tokens=1)
    assert answered(engine, plain) == (naive(plain), 0, False)


@pytest.mark.parametrize("num_streams", [2, 3, 5])
def test_beside_a_crowd_the_prefix_cache_hits_as_if_alone(toy_config, num_streams):
    engine = make_engine(toy_config, num_draft_tokens=3, max_drafting_sequences=2, **SIZES)
    compute_crowd(engine, num_streams)
    found = [answered(engine, asked) for asked in alike(4)]
    assert [cached for _, cached, _ in found] == [0, 96, 96, 96]
    assert [token_ids for token_ids, _, _ in found] == [naive(asked) for asked in alike(4)]


def test_a_request_that_waited_for_room_until_the_crowd_had_gone_drafts(toy_config):
    engine = make_engine(toy_config, num_draft_tokens=3, max_drafting_sequences=1, num_full_blocks=40)
    for i in range(2):
        engine.add(request(f"r{i}", prompt(50, i), eos=frozenset(), max_tokens=8))
    late = request("late", prompt(110, 5), eos=frozenset(), max_tokens=30)
    engine.add(late)
    engine.step()
    assert (engine.num_running, engine.num_waiting) == (2, 1)
    assert drain(engine)["late"] == expected([late])["late"]
    assert sum(engine.metrics.num_drafted_by_position) > 20


@pytest.mark.parametrize("acceptance", [0.0, 0.5])
def test_a_conversation_whose_drafts_are_rarely_right_takes_over_all_that_is_known(toy_config, acceptance):
    policy = DraftPolicy(2.6)
    runner = FakeRunner(toy_config, acceptance=acceptance, **SIZES)
    engine = Engine(runner, num_draft_tokens=3, draft_policy=policy)
    history = prompt(60)
    for turn in range(9):
        asked = request(f"turn{turn}", history, eos=frozenset(), max_tokens=40)
        token_ids, cached, _ = answered(engine, asked)
        assert token_ids == naive(asked)
        # New are the question of 10 tokens and what the last step had not registered yet.
        assert turn == 0 or len(history) - cached <= 10 + 2 * 4
        history = (*history, *token_ids, *prompt(10, turn))


@pytest.mark.parametrize("block_size", [1, 4, 16])
def test_a_single_user_whose_drafts_are_right_never_stops_drafting(toy_config, block_size):
    policy = DraftPolicy(2.6)
    sizes = {"block_size": block_size, "num_full_blocks": 4000 // block_size, "num_sliding_blocks": 400}
    engine = Engine(FakeRunner(toy_config, **sizes), num_draft_tokens=3, draft_policy=policy)
    history = prompt(60)
    for turn in range(8):
        asked = request(f"turn{turn}", history, eos=frozenset(), max_tokens=30 + turn)
        token_ids, cached, is_drafted = answered(engine, asked)
        assert token_ids == naive(asked)
        assert is_drafted
        if turn:
            assert len(history) - cached <= 30 + 4 + 2 + 2 * block_size + 3
        history = (*history, *token_ids, *prompt(30, turn))


@pytest.mark.parametrize(("known", "drafts"), [(64, True), (384, False)], ids=["slightly", "much"])
def test_drafting_is_given_up_for_a_much_longer_hit_and_not_for_a_slightly_longer_one(
    toy_config, known, drafts
):
    engine = make_engine(toy_config, num_draft_tokens=3, **SIZES)
    compute_without_drafts(engine, known)
    asked = request("asked", (*prompt(known), 301, 302, 303), eos=frozenset())
    token_ids, cached, is_drafted = answered(engine, asked)
    assert token_ids == naive(asked)
    assert (is_drafted, cached) == (drafts, 0 if drafts else known)


def test_a_prompt_that_all_share_does_not_end_drafting_for_ever(toy_config):
    """Each request that gives drafting up lets a later one compute 16 tokens more again."""
    engine = make_engine(toy_config, num_draft_tokens=3, **SIZES)
    compute_without_drafts(engine, 128)
    found = []
    for i in range(8):
        asked = request(f"r{i}", (*prompt(128), 310 + i, 3, 4, 5), eos=frozenset())
        token_ids, cached, is_drafted = answered(engine, asked)
        assert token_ids == naive(asked)
        found.append((cached > 100, is_drafted))
    # 64, 80, 96 and 112 tokens are fewer than the 128 known ones.
    assert found == [(True, False)] * 4 + [(False, True)] + [(True, True)] * 3


@pytest.mark.parametrize("acceptance", [0.5, 1.0])
@pytest.mark.parametrize("max_tokens", [6, 9, 10, 13, 21, 26])
def test_blocks_whose_last_rows_the_modules_never_saw_are_not_taken_for_theirs(
    toy_config, acceptance, max_tokens
):
    """The runner itself fails when a module reads a row that it never wrote."""
    engine = make_engine(toy_config, num_draft_tokens=3, acceptance=acceptance, **SIZES)
    token_ids, _, _ = answered(engine, request("first", prompt(43), eos=frozenset(), max_tokens=max_tokens))
    history = (*prompt(43), *token_ids, *prompt(20, 4))
    answered(engine, request("follow", history, eos=frozenset(), max_tokens=5))
    for end in range(43 + max_tokens - 6, 43 + max_tokens + 12):
        other = request(f"other{end}", (*history[:end], 300, 301), eos=frozenset(), max_tokens=5)
        assert answered(engine, other)[0] == naive(other)
