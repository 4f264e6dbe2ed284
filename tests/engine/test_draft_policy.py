"""Drafting goes on where it pays and ends where it does not; answers are the same either way."""

import pytest
from driving import expected, prompt, request, run

from flashstep.engine.draft_policy import DraftPolicy, step_cost
from flashstep.engine.engine import Engine
from flashstep.model import presets
from flashstep.model.config import ModelConfig
from naive.runner import FakeRunner

NANO = ModelConfig.from_hf(presets.nano())


def requests_of(count):
    return [request(f"r{i}", prompt(9, i), eos=frozenset(), max_tokens=60) for i in range(count)]


def answered(config, acceptance, count):
    """The engine after `count` requests, one after the other; and the plain steps that each of them took
    beyond one for each token, with the policy's own price of a verifying step."""
    policy = DraftPolicy(NANO, 3)
    engine = Engine(FakeRunner(config, acceptance=acceptance), num_draft_tokens=3, draft_policy=policy)
    lost = []
    for one in requests_of(count):
        steps, verifications = engine.metrics.num_steps, engine.metrics.num_verifications
        assert run(engine, [one]) == expected([one])
        num_steps = engine.metrics.num_steps - steps
        num_verifications = engine.metrics.num_verifications - verifications
        lost.append(num_steps + num_verifications * (policy.step_cost - 1) - 60)
    return engine, lost


def test_drafts_that_are_right_are_made_to_the_end(toy_config):
    engine, lost = answered(toy_config, acceptance=1.0, count=5)
    assert engine.metrics.acceptance_rate == 1.0
    assert engine.metrics.num_verifications == 5 * 15, "59 tokens behind the first, four at a time"
    assert max(lost) < -15


def test_drafts_that_are_never_right_end_after_two_steps_and_are_rarely_tried_again(toy_config):
    engine, lost = answered(toy_config, acceptance=0.0, count=100)
    policy = DraftPolicy(NANO, 3)
    # Requests 1, 3, 6, 11, 20, 37, 70 try: pauses of 1, 2, 4, 8, 16, 32.
    assert engine.metrics.num_verifications == 7 * 3
    assert max(lost) <= 3 * (policy.step_cost - 1) + 1e-9, "the third is what shows that two were not enough"
    assert sum(lost) < 0.01 * 100 * 60


@pytest.mark.parametrize("acceptance", [0.3, 0.5, 0.7, 0.9])
def test_no_request_loses_more_than_three_steps_whatever_the_acceptance(toy_config, acceptance):
    _, lost = answered(toy_config, acceptance, count=40)
    assert max(lost) <= 3 * (DraftPolicy(NANO, 3).step_cost - 1) + 1e-9


def test_a_success_makes_the_next_pause_short_again(toy_config):
    policy = DraftPolicy(NANO, 3)
    seq = type("Account", (), {"draft_gain": 0.0})

    def fail():
        seq.draft_gain = 0.0
        while policy.keeps(seq, 0):
            pass

    def pause():
        num = 0
        while not policy.admits():
            num += 1
        return num

    pauses = []
    for _ in range(9):
        fail()
        pauses.append(pause())
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 64, 64]
    seq.draft_gain = 0.0
    for _ in range(10):
        assert policy.keeps(seq, 3)
    fail()
    assert pause() == 1


def test_the_price_of_a_verifying_step_follows_from_the_weights_that_it_reads():
    assert step_cost(NANO, 3) == pytest.approx(2.6, abs=0.1)
    official = ModelConfig.from_hf(presets.step35_flash())
    assert 1 < step_cost(official, 1) < step_cost(official, 3) < 4
    no_modules = ModelConfig.from_hf({**presets.nano(), "num_nextn_predict_layers": 0})
    assert step_cost(no_modules, 0) == 1.0
