"""The whole engine against naive generation, and what it refuses."""

import pytest
from driving import drain, expected, make_engine, mixed_requests, prompt, request, run

from flashstep.engine.engine import Engine
from flashstep.errors import ConfigError, ContextLengthExceeded, InvalidRequest
from naive.runner import FakeRunner


@pytest.mark.parametrize("num_draft_tokens", [0, 3])
def test_a_batch_of_eight_equals_eight_alone_and_naive_generation(toy_config, num_draft_tokens):
    requests = mixed_requests()
    together = run(make_engine(toy_config, num_draft_tokens=num_draft_tokens, acceptance=0.7), requests)
    alone = {}
    for r in requests:
        alone |= run(make_engine(toy_config, num_draft_tokens=num_draft_tokens, acceptance=0.7), [r])
    assert together == alone == expected(requests)


@pytest.mark.parametrize("num_draft_tokens", [0, 3])
def test_a_chunked_prompt_equals_a_whole_one(toy_config, num_draft_tokens):
    requests = [request(f"r{i}", prompt(n, i)) for i, n in enumerate((5, 6, 7, 99, 100, 101))]
    results = [
        run(
            make_engine(
                toy_config, num_draft_tokens=num_draft_tokens, max_batch_tokens=budget, max_sequences=1
            ),
            requests,
        )
        for budget in (6, 7, 16, 512)
    ]
    assert results == [expected(requests)] * 4


def test_requests_may_join_at_any_step(toy_config):
    requests = mixed_requests(12)
    engine = make_engine(toy_config, num_draft_tokens=3, acceptance=0.6)
    answers: dict[str, list[int]] = {r.request_id: [] for r in requests}
    for r in requests:
        engine.add(r)
        for _ in range(2):
            for request_id, output in engine.step():
                answers[request_id] += output.token_ids
            engine.check()
    while engine.has_work:
        for request_id, output in engine.step():
            answers[request_id] += output.token_ids
    assert answers == {key: ids for key, (ids, _) in expected(requests).items()}


def test_abort_frees_the_blocks_at_once_and_gives_the_last_output(toy_config):
    engine = make_engine(toy_config, num_draft_tokens=3)
    engine.add(request("a", prompt(100)))
    engine.add(request("b", prompt(9)))
    engine.step()
    assert engine.num_running + engine.num_waiting == 2
    output = engine.abort("a")
    assert output.finish_reason == "abort"
    assert engine.abort("a") is None
    engine.check()
    assert set(drain(engine)) == {"b"}
    assert engine.abort("b") is None


def test_an_abort_between_two_steps_drops_the_drafts_that_were_due(toy_config):
    engine = make_engine(toy_config, num_draft_tokens=3)
    requests = [request("a", prompt(9)), request("b", prompt(5, 3))]
    for r in requests:
        engine.add(r)
    first = dict(engine.step())
    engine.abort("a")
    token_ids, _ = drain(engine)["b"]
    assert [*first["b"].token_ids, *token_ids] == expected(requests)["b"][0]


def test_two_engines_in_one_process_do_not_touch_each_other(toy_config):
    one = make_engine(toy_config, num_draft_tokens=3, block_size=4)
    two = make_engine(toy_config, num_draft_tokens=0, block_size=8, max_batch_tokens=17)
    requests = mixed_requests()
    for r in requests:
        one.add(r)
        two.add(r)
    answers = ({}, {})
    while one.has_work or two.has_work:
        for engine, found in zip((one, two), answers, strict=True):
            for request_id, output in engine.step():
                found.setdefault(request_id, []).extend(output.token_ids)
            engine.check()
    assert answers[0] == answers[1] == {key: ids for key, (ids, _) in expected(requests).items()}


def test_logprobs_come_with_every_token_whether_drafted_or_not(toy_config):
    results = []
    for num_draft_tokens in (0, 3):
        engine = make_engine(toy_config, num_draft_tokens=num_draft_tokens, acceptance=0.8)
        engine.add(request(logprobs=2, eos=frozenset()))
        found = []
        while engine.has_work:
            for _, output in engine.step():
                assert [x.token_id for x in output.logprobs] == list(output.token_ids)
                found += output.logprobs
        results.append(found)
    assert results[0] == results[1]
    assert len(results[0]) == 20
    assert all(x.top[0] == (x.token_id, x.logprob) and len(x.top) == 2 for x in results[0])


def test_padded_ids_are_never_generated_even_when_drafted(toy_config):
    engine = make_engine(toy_config, num_draft_tokens=3, num_valid_tokens=50)
    token_ids, _ = run(engine, [request(eos=frozenset(), max_tokens=60)])["a"]
    assert len(token_ids) == 60
    assert max(token_ids) < 50


def test_timings_and_counters_tell_what_happened(toy_config):
    engine = make_engine(toy_config, num_draft_tokens=3, acceptance=1.0)
    engine.add(request(prompt=prompt(70), eos=frozenset()), arrived_s=0.0)
    outputs = []
    while engine.has_work:
        outputs += [output for _, output in engine.step()]
    first, last = outputs[0].timings, outputs[-1].timings
    assert 0 < first.admitted_s <= first.first_token_s
    assert first.finished_s is None
    assert last.finished_s >= last.first_token_s == first.first_token_s
    assert last.num_drafted == last.num_accepted == sum(engine.metrics.num_drafted_by_position)
    assert engine.metrics.num_prompt_tokens == 70
    assert engine.metrics.num_generated_tokens == 20
    assert engine.metrics.num_batch_tokens == 70 + 19  # the last token is never computed


@pytest.mark.parametrize(
    ("token_ids", "error", "words"),
    [
        ((), InvalidRequest, "no tokens"),
        ((5, 384), InvalidRequest, "token id 384 is outside"),
        ((-1, 5), InvalidRequest, "token id -1"),
        (tuple([5] * 80), ContextLengthExceeded, "80 tokens"),
    ],
    ids=["empty", "too large an id", "negative id", "longer than the cache"],
)
def test_a_request_that_can_never_be_served_is_refused_by_add(toy_config, token_ids, error, words):
    engine = make_engine(toy_config, num_full_blocks=20)
    with pytest.raises(error, match=words):
        engine.add(request(prompt=token_ids))
    assert not engine.has_work


def test_a_request_id_in_use_is_refused_until_it_is_free_again(toy_config):
    engine = make_engine(toy_config)
    engine.add(request("a"))
    with pytest.raises(InvalidRequest, match="already in use"):
        engine.add(request("a"))
    drain(engine)
    engine.add(request("a"))


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"max_batch_tokens": 47}, "max_batch_tokens is 47"),
        ({"num_sliding_blocks": 2}, "needs 3"),
    ],
    ids=["token budget", "sliding pool"],
)
def test_sizes_with_which_a_sequence_could_get_stuck_are_refused(toy_config, sizes, words):
    with pytest.raises(ConfigError, match=words):
        make_engine(toy_config, num_draft_tokens=3, **sizes)


def test_closing_the_engine_closes_the_runner(toy_config):
    runner = FakeRunner(toy_config)
    Engine(runner).close()
    assert runner.is_closed
