"""Verification, and that drafting changes the number of steps and nothing else."""

import itertools

import numpy as np
import pytest
from driving import VOCAB, WINDOW, drain, expected, make_engine, mixed_requests, prompt, request, run

from flashstep.engine.engine import Engine
from flashstep.engine.speculative import Verdict, verify
from naive.generate import draft_counts
from naive.runner import FakeRunner, context_of, logits_of
from naive.sample import probabilities


@pytest.mark.parametrize("num_drafts", range(4))
def test_verify_keeps_exactly_the_common_prefix(num_drafts):
    for choices in itertools.product(range(2), repeat=num_drafts + 1):
        for drafts in itertools.product(range(2), repeat=num_drafts):
            accepted = 0
            while accepted < num_drafts and choices[accepted] == drafts[accepted]:
                accepted += 1
            assert verify(choices, drafts) == Verdict(accepted, choices[accepted])


def test_verify_reads_no_choice_behind_the_first_rejected_draft():
    taken = []

    def choices():
        for token_id in (4, 8, 5, 6):
            taken.append(token_id)
            yield token_id

    assert verify(choices(), [4, 7, 5]) == Verdict(1, 8)
    assert taken == [4, 8]


def test_verify_refuses_too_few_choices():
    with pytest.raises(ValueError, match="fewer choices than 1 \\+ 2"):
        verify([1, 2], [1, 2])


@pytest.mark.parametrize("num_draft_tokens", [1, 2, 3])
@pytest.mark.parametrize("acceptance", [0.0, 0.5, 0.9, 1.0])
def test_drafting_changes_no_answer(toy_config, num_draft_tokens, acceptance):
    requests = mixed_requests(10)
    engine = make_engine(toy_config, num_draft_tokens=num_draft_tokens, acceptance=acceptance)
    assert run(engine, requests) == expected(requests)


@pytest.mark.parametrize("num_draft_tokens", [1, 2, 3])
@pytest.mark.parametrize("acceptance", [0.3, 0.8, 1.0])
def test_drafts_are_accepted_exactly_as_often_as_the_drafter_is_right(
    toy_config, num_draft_tokens, acceptance
):
    requests = [request(f"r{i}", prompt(n, i), eos=frozenset()) for i, n in enumerate((1, 2, 30, 100))]
    engine = make_engine(toy_config, num_draft_tokens=num_draft_tokens, acceptance=acceptance)
    answers = run(engine, requests)
    counts = [
        draft_counts(
            r.prompt_token_ids, answers[r.request_id][0], vocab_size=VOCAB, window=WINDOW,
            acceptance=acceptance, num_drafts=num_draft_tokens,
        )
        for r in requests
    ]  # fmt: skip
    assert sum(engine.metrics.num_drafted_by_position) == sum(drafted for drafted, _ in counts)
    assert sum(engine.metrics.num_accepted_by_position) == sum(accepted for _, accepted in counts)


def test_while_a_prompt_is_computed_the_modules_read_its_true_next_tokens(toy_config):
    runner = FakeRunner(toy_config, max_batch_tokens=10, max_sequences=1)
    engine = Engine(runner, num_draft_tokens=3)
    tokens = prompt(17)
    run(engine, [request(prompt=tokens, max_tokens=12, eos=frozenset())])
    first, second, third, *_ = runner.draft_batches
    assert first.positions_T.tolist() == list(range(8))
    assert first.token_ids_T.tolist() == list(tokens[1:9])
    assert first.append_token_ids_SJ.tolist() == [list(tokens[9:12])]
    assert second.positions_T.tolist() == list(range(6, 16))  # two rows again, eight new ones
    assert second.append_token_ids_SJ.tolist() == [[-1, -1, -1]]
    assert third.positions_T.tolist() == [16, 17, 18, 19]  # all drafts were right, so no row is stale


def test_perfect_drafts_bring_four_tokens_a_step(toy_config):
    engine = make_engine(toy_config, num_draft_tokens=3, acceptance=1.0)
    run(engine, [request(max_tokens=41, eos=frozenset())])
    assert engine.metrics.num_steps == 1 + 10
    assert engine.metrics.acceptance_rate == 1.0
    assert engine.metrics.acceptance_length == 4.0
    assert engine.metrics.acceptance_rate_by_position == (1.0, 1.0, 1.0)


def test_drafting_ends_for_all_who_meet_a_crowd_and_begins_anew_with_the_next_request(toy_config):
    engine = make_engine(toy_config, num_draft_tokens=3, max_drafting_sequences=1)
    crowd = [request(f"r{i}", prompt(9, i), eos=frozenset()) for i in range(3)]
    assert run(engine, crowd) == expected(crowd)
    assert sum(engine.metrics.num_drafted_by_position) == 0
    alone = [request("alone", prompt(9), eos=frozenset(), max_tokens=21)]
    assert run(engine, alone) == expected(alone)
    assert engine.metrics.acceptance_length == 4.0


def test_who_joins_a_crowd_that_does_not_draft_does_not_draft_either(toy_config):
    engine = make_engine(toy_config, num_draft_tokens=3, max_drafting_sequences=2)
    for i in range(3):
        engine.add(request(f"r{i}", prompt(9, i), eos=frozenset(), max_tokens=40))
    for _ in range(3):
        engine.step()
    late = request("late", prompt(12, 7), eos=frozenset())
    assert run(engine, [late])["late"] == expected([late])["late"]
    assert sum(engine.metrics.num_drafted_by_position) == 0


def test_a_request_that_drafts_goes_on_without_drafts_when_a_second_one_joins(toy_config):
    engine = make_engine(toy_config, num_draft_tokens=3, max_drafting_sequences=1, max_passes=1)
    requests = [request("a", prompt(9), eos=frozenset()), request("b", prompt(40, 1), eos=frozenset())]
    engine.add(requests[0])
    found = {"a": [], "b": []}
    for _ in range(3):
        for request_id, output in engine.step():
            found[request_id] += output.token_ids
    drafted = sum(engine.metrics.num_drafted_by_position)
    assert drafted == 6
    engine.add(requests[1])
    engine.check()
    for request_id, (token_ids, _) in drain(engine).items():
        found[request_id] += token_ids
    assert found == {key: ids for key, (ids, _) in expected(requests).items()}
    assert sum(engine.metrics.num_drafted_by_position) == drafted + 3  # verified when b joined


@pytest.mark.parametrize("max_tokens", [1, 2, 3, 4, 5])
def test_no_draft_is_made_that_could_not_be_used(toy_config, max_tokens):
    engine = make_engine(toy_config, num_draft_tokens=3, acceptance=1.0)
    answers = run(engine, [request(max_tokens=max_tokens, eos=frozenset())])
    assert len(answers["a"][0]) == max_tokens
    drafted = sum(engine.metrics.num_drafted_by_position)
    assert drafted == {1: 0, 2: 0, 3: 1, 4: 2, 5: 3}[max_tokens]
    assert sum(engine.metrics.num_accepted_by_position) == drafted


def test_sampling_with_drafts_follows_the_exact_distribution(toy_config):
    """The second and third token come out of verified drafts, some accepted and some not."""
    params = {"temperature": 0.35, "top_k": 3, "max_tokens": 4, "eos": frozenset()}
    engine = make_engine(toy_config, num_draft_tokens=3, acceptance=0.8)
    answers = run(engine, [request(f"r{i}", (5, 6), seed=i, **params) for i in range(600)])
    assert 0.2 < engine.metrics.acceptance_rate < 0.9
    chains: dict[tuple[int, ...], float] = {(): 1.0}
    for _ in range(2):
        longer = {}
        for chain, p in chains.items():
            logits = logits_of(context_of((5, 6, *chain), WINDOW).hash, VOCAB)
            wishes = request(**params).params
            for token_id, q in enumerate(probabilities(logits, wishes)):
                if q > 0:
                    longer[(*chain, token_id)] = p * q
        chains = longer
    counts = dict.fromkeys(chains, 0)
    for token_ids, _ in answers.values():
        counts[tuple(token_ids[:2])] += 1
    exact = np.array(list(chains.values())) * len(answers)
    chi_square = ((np.array(list(counts.values())) - exact) ** 2 / exact).sum()
    freedom = len(chains) - 1
    assert chi_square < freedom * (1 - 2 / (9 * freedom) + 3.72 * (2 / (9 * freedom)) ** 0.5) ** 3
