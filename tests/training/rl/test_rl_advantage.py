"""Advantages against a few lines of plain Python, and which groups and rollouts are trained on."""

import random

import pytest

from flashstep.training.rl.advantage import advantages, trained_rollouts
from flashstep.training.rl.rollout import Rollout


def rollouts(*rewards):
    return [Rollout(item=None, reward=reward) for reward in rewards]


def test_an_advantage_is_the_reward_minus_the_mean_of_the_group():
    rng = random.Random(0)
    for _ in range(20):
        rewards = [float(rng.random() < 0.4) for _ in range(rng.randint(2, 9))]
        mean = sum(rewards) / len(rewards)
        assert advantages(rewards) == pytest.approx([reward - mean for reward in rewards])
        assert sum(advantages(rewards)) == pytest.approx(0.0)


def test_groups_without_variance_are_dropped():
    mixed, solved, failed = rollouts(1.0, 0.0), rollouts(1.0, 1.0), rollouts(0.0, 0.0)
    trained = trained_rollouts([solved, mixed, failed])
    assert [(id(rollout), advantage) for rollout, advantage in trained] == [
        (id(mixed[0]), 0.5),
        (id(mixed[1]), -0.5),
    ]


def test_a_rollout_that_is_left_out_moves_neither_the_mean_nor_the_weights():
    group = rollouts(1.0, None, 0.0, 0.0)
    trained = trained_rollouts([group])
    assert [advantage for _, advantage in trained] == pytest.approx([2 / 3, -1 / 3, -1 / 3])
    assert all(rollout is not group[1] for rollout, _ in trained)
    assert trained_rollouts([rollouts(1.0, None), rollouts(None, None)]) == []
