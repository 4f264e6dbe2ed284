"""Drafting goes on where it pays and ends where it does not; answers are the same either way."""

import math
from dataclasses import replace

import numpy as np
import pytest
from driving import expected, prompt, request, run

from flashstep.engine.batch import DraftBatch, ForwardResult
from flashstep.engine.draft_policy import DraftPolicy
from flashstep.engine.draft_price import measure_step_cost
from flashstep.engine.engine import Engine
from naive.runner import FakeRunner

STEP_COST = 2.6


def requests_of(count):
    return [request(f"r{i}", prompt(9, i), eos=frozenset(), max_tokens=60) for i in range(count)]


def answered(config, acceptance, count):
    """The engine after `count` requests, one after the other; and the plain steps that each of them took
    beyond one for each token, with the policy's own price of a verifying step."""
    policy = DraftPolicy(STEP_COST)
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


def test_drafts_that_are_never_right_end_after_the_second_step_and_are_rarely_tried_again(toy_config):
    engine, lost = answered(toy_config, acceptance=0.0, count=100)
    policy = DraftPolicy(STEP_COST)
    # Requests 1, 3, 6, 11, 20, 37, 70 try: pauses of 1, 2, 4, 8, 16, 32.
    assert engine.metrics.num_verifications == 7 * 2
    assert max(lost) <= 2 * (policy.step_cost - 1) + 1e-9, "the second is what shows that one was not enough"
    assert sum(lost) < 0.01 * 100 * 60


@pytest.mark.parametrize("acceptance", [0.3, 0.5, 0.7, 0.9])
def test_no_request_loses_more_than_two_steps_whatever_the_acceptance(toy_config, acceptance):
    _, lost = answered(toy_config, acceptance, count=40)
    assert max(lost) <= 2 * (DraftPolicy(STEP_COST).step_cost - 1) + 1e-9


def test_a_success_makes_the_next_pause_short_again(toy_config):
    policy = DraftPolicy(STEP_COST)
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


def test_drafts_pay_when_keeping_all_of_them_brings_a_quarter_more():
    assert DraftPolicy(2.4).pays(3)
    assert DraftPolicy(3.1).pays(3)
    assert not DraftPolicy(3.3).pays(3)


class Priced:
    """A runner whose passes take as long as they are told; every context is as good as another."""

    block_size, num_full_blocks, num_sliding_blocks, window_tokens, max_drafts = 4, 20, 20, 9, 3

    def __init__(self, config, **seconds):
        self.config, self.seconds, self.now_s = config, seconds, 0.0

    def forward(self, batch):
        check_batch(self, batch)
        rows = len(batch.token_ids_T)
        self.now_s += self.seconds["plain" if rows == 1 else "verifying"]
        return ForwardResult(np.zeros((rows, 8), np.float32), np.zeros((rows, 8), np.float32))

    def draft(self, batch):
        check_batch(self, batch)
        self.now_s += self.seconds["drafting"]


def check_batch(runner, batch):
    """One window of blocks from the first on, its last positions, as many hidden states as rows."""
    rows = len(batch.token_ids_T)
    assert batch.sliding_table_SM.tolist() == [[0, 1, 2]]
    assert batch.positions_T.tolist() == list(range(12 - rows, 12))
    assert batch.query_starts_S1.tolist() == [0, rows]
    assert 0 <= batch.token_ids_T.min() <= batch.token_ids_T.max() < runner.config.vocab_size
    if isinstance(batch, DraftBatch):
        assert len(batch.hidden_TD) == rows
        assert batch.append_token_ids_SJ.shape == (1, 3)


def test_the_price_of_a_verifying_step_is_measured(toy_config):
    runner = Priced(toy_config, plain=0.01, verifying=0.02, drafting=0.01)
    assert measure_step_cost(runner, 3, clock=lambda: runner.now_s) == pytest.approx(3.0)


def test_a_model_without_room_for_a_verifying_step_gets_no_drafts(toy_config):
    runner = Priced(replace(toy_config, max_positions=3), plain=0.01, verifying=0.02, drafting=0.01)
    assert measure_step_cost(runner, 3, clock=lambda: runner.now_s) == math.inf
