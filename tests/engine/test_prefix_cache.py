"""Prompts that begin like earlier ones: what is taken over, what is not, and that nothing changes."""

import pytest
from driving import drain, expected, make_engine, prompt, request, run

from flashstep.engine.block_pool import BlockPool
from flashstep.engine.engine import Engine
from flashstep.engine.prefix_cache import MISS, ROOT, PrefixCache
from naive.runner import FakeRunner

SIZE = 4


def filled(tokens, *, reach=4, num_lookahead=0, has_mtp=True, sliding=True, num_blocks=20):
    """A cache that knows every whole block of `tokens`; returns it with the two pools."""
    full, slides = BlockPool("full", num_blocks), BlockPool("sliding", num_blocks)
    cache = PrefixCache(full, slides, block_size=SIZE, reach=reach)
    parent, followed = ROOT, (*tokens, *[-1] * num_lookahead)
    for start in range(0, len(tokens) - SIZE + 1, SIZE):
        block, slide = full.take(1)[0], slides.take(1)[0]
        parent = cache.add(
            parent, tuple(tokens[start : start + SIZE]), block, slide if sliding else None,
            ahead=followed[start + SIZE : start + SIZE + num_lookahead] if has_mtp else None,
        )  # fmt: skip
    return cache, full, slides


def test_the_longest_common_prefix_of_whole_blocks_is_found_but_never_the_last_token():
    cache, _, _ = filled(range(16))
    assert len(cache.find([*range(16), 99], drafts=False).full_blocks) == 4
    assert len(cache.find(range(16), drafts=False).full_blocks) == 3
    assert len(cache.find([*range(10), 99, 98, 97], drafts=False).full_blocks) == 2
    assert cache.find([1, *range(1, 16)], drafts=False) == MISS
    assert cache.find([0, 1, 2], drafts=False) == MISS


def test_equal_tokens_behind_another_prefix_are_no_hit():
    cache, _, _ = filled([*range(8), *range(8)])
    assert len(cache.find([*range(100, 108), *range(8), 5], drafts=False).full_blocks) == 0


def test_only_the_sliding_blocks_that_the_next_row_reads_are_taken_over():
    cache, _, _ = filled(range(20), reach=5)
    hit = cache.find([*range(20), 1], drafts=False)
    assert (len(hit.full_blocks), len(hit.sliding_blocks)) == (5, 2)


def test_a_missing_sliding_block_shortens_the_hit_to_where_none_is_missing():
    cache, _, slides = filled(range(20), reach=4)
    last = cache.find([*range(20), 1], drafts=False).sliding_blocks[-1]
    slides.give_back([last])
    while slides.take(1) != [last]:  # evict it
        pass
    assert len(cache.find([*range(20), 1], drafts=False).full_blocks) == 4


def test_who_drafts_needs_rows_of_the_modules_and_matched_tokens_behind_them():
    cache, _, _ = filled(range(16), num_lookahead=3)
    assert len(cache.find([*range(16), 99], drafts=True).full_blocks) == 3
    assert len(cache.find([*range(16), 99], drafts=False).full_blocks) == 4
    assert len(cache.find([*range(10), 99, 98, 97], drafts=True).full_blocks) == 1
    cache, _, _ = filled(range(16), has_mtp=False)
    assert cache.find([*range(16), 99], drafts=True) == MISS


def test_where_prefixes_part_right_behind_a_block_the_modules_rows_are_those_of_the_last(toy_config):
    """The runner itself fails when a module reads a row that it wrote for other tokens."""
    sizes = {"block_size": 1, "num_full_blocks": 200}
    engine = make_engine(toy_config, num_draft_tokens=3, **sizes)
    ways = [(*prompt(3), 300 + way, *prompt(3, 5)) for way in range(2)]
    for number, way in enumerate(ways * 2):
        known = engine.metrics.num_cached_tokens
        for turn in range(2):
            asked = request(f"{number}-{turn}", way, eos=frozenset(), max_tokens=5)
            assert run(engine, [asked]) == expected([asked])
        assert engine.metrics.num_cached_tokens > known, "who comes again finds its own"


def test_a_hash_collision_is_a_miss(monkeypatch):
    cache, full, _ = filled(range(8))
    monkeypatch.setattr("flashstep.engine.prefix_cache.hash", lambda value: 7, raising=False)
    assert cache.add(ROOT, (1, 1, 1, 1), full.take(1)[0], None, ahead=None) == 7
    assert cache.add(ROOT, (2, 2, 2, 2), full.take(1)[0], None, ahead=None) is None
    assert cache.find((2, 2, 2, 2, 0), drafts=False) == MISS


def test_an_evicted_block_is_forgotten_and_its_chain_ends_there():
    cache, full, slides = filled(range(16), num_blocks=4)
    hit = cache.find([*range(16), 1], drafts=False)
    full.give_back(hit.full_blocks)
    slides.give_back(slides_owned := list(range(4)))
    assert full.num_cached == slides.num_cached == len(slides_owned)
    taken = full.take(1)
    assert taken == [hit.full_blocks[-1]], "the end of the chain goes first"
    assert len(cache.find([*range(16), 1], drafts=False).full_blocks) == 3
    assert slides.num_cached == 3
    full.check(taken)


def test_the_prompt_that_was_used_longest_ago_goes_first(toy_config):
    engine = make_engine(toy_config, block_size=SIZE, num_full_blocks=8, num_sliding_blocks=100)

    def taken_over(name: str, salt: int) -> int:
        before = engine.metrics.num_cached_tokens
        run(engine, [request(name, prompt(3 * SIZE + 1, salt), eos=frozenset(), max_tokens=2)])
        return engine.metrics.num_cached_tokens - before

    assert taken_over("one", 1) == taken_over("two", 2) == 0
    assert taken_over("one again", 1) == 3 * SIZE
    assert taken_over("three", 3) == 0, "finds no room but by two blocks of others"
    assert taken_over("one once more", 1) == 3 * SIZE
    assert taken_over("two again", 2) == SIZE


@pytest.mark.parametrize("num_draft_tokens", [0, 3])
@pytest.mark.parametrize("block_size", [1, 4, 16])
def test_a_second_request_with_the_same_beginning_computes_less_and_answers_the_same(
    toy_config, num_draft_tokens, block_size
):
    engine = make_engine(
        toy_config, num_draft_tokens=num_draft_tokens, block_size=block_size,
        num_full_blocks=400, num_sliding_blocks=200, max_batch_tokens=64,
    )  # fmt: skip
    first = request("a", prompt(100))
    second = request("b", (*prompt(100), 301, 302, 303))
    assert run(engine, [first, second]) == expected([first, second])
    run(engine, [])
    cached = engine.metrics.num_cached_tokens
    answers = run(engine, [request("c", (*prompt(100), 305))])
    assert answers == expected([request("c", (*prompt(100), 305))])
    gained = engine.metrics.num_cached_tokens - cached
    assert 100 - 2 * max(block_size, 3) <= gained <= 100
    assert gained % block_size == 0


@pytest.mark.parametrize("num_tokens", [3, 40, 150])
def test_an_answer_that_ends_in_its_first_step_leaves_its_prompt_to_others(toy_config, num_tokens):
    engine = make_engine(toy_config, num_draft_tokens=0)
    asked = [request(f"r{i}", prompt(num_tokens), max_tokens=1) for i in range(2)]
    for each in asked:
        engine.add(each)
        assert drain(engine) == expected([each])
        engine.check()
    size = engine._blocks.block_size
    assert engine.metrics.num_cached_tokens == (num_tokens - 1) // size * size


def test_the_next_turn_of_a_conversation_reuses_the_answer_too(toy_config):
    engine = make_engine(toy_config, num_draft_tokens=3, num_full_blocks=400, num_sliding_blocks=200)
    first = request("a", prompt(40), max_tokens=30, ignore_eos=True)
    answer = run(engine, [first])["a"][0]
    history = (*prompt(40), *answer, 301, 302, 303, 304, 305)
    engine.add(request("b", history))
    outputs = []
    while engine.has_work:
        outputs += engine.step()
    assert outputs[0][1].cached_tokens >= 40 + 30 - 3 * 4
    assert [t for _, o in outputs for t in o.token_ids] == expected([request("b", history)])["b"][0]


def test_prompt_scores_are_computed_even_when_the_prompt_is_known(toy_config):
    engine = make_engine(toy_config)
    run(engine, [request("a", prompt(40))])
    engine.add(request("b", prompt(40), prompt_logprobs=0))
    outputs = []
    while engine.has_work:
        outputs += engine.step()
    assert outputs[0][1].cached_tokens == 0
    assert len(outputs[0][1].prompt_logprobs) == 39


def test_cached_blocks_give_way_to_new_requests(toy_config):
    engine = make_engine(toy_config, num_full_blocks=30, num_sliding_blocks=20, max_sequences=2)
    requests = [request(f"r{i}", prompt(60, i)) for i in range(8)]
    assert run(engine, requests) == expected(requests)
    assert drain(engine) == {}


def test_without_the_cache_every_prompt_is_computed_anew(toy_config):
    engine = Engine(FakeRunner(toy_config), prefix_cache=False)
    run(engine, [request("a", prompt(40))])
    assert run(engine, [request("b", prompt(40))]) == expected([request("b", prompt(40))])
    assert engine.metrics.num_cached_tokens == 0
