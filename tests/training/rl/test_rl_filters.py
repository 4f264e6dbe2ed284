"""MIS-PO's filters and the losses against slow, obvious twins in plain Python."""

import math
import random

import pytest
import torch

from flashstep.training.rl.filters import keeps_token, keeps_trajectory, mismatch
from flashstep.training.rl.loss import kl_loss, policy_loss

TOKEN, TRAJECTORY = (0.5, 2.0), (0.996, 1.001)


def some_tokens(seed, spread):
    """Log-probabilities of trainer and engine, and the trajectory of each token."""
    rng = random.Random(seed)
    trajectories = [r for r in range(12) for _ in range(rng.randint(1, 30))]
    rng.shuffle(trajectories)
    engine = [-rng.expovariate(1.0) for _ in trajectories]
    trainer = [value + rng.gauss(0.0, spread) for value in engine]
    return trainer, engine, trajectories


@pytest.mark.parametrize("spread", [0.002, 0.02, 1.0])
def test_the_filters_keep_what_plain_python_keeps(spread):
    trainer, engine, trajectories = some_tokens(int(spread * 1000), spread)
    log_ratio = torch.tensor(trainer) - torch.tensor(engine)
    tokens = keeps_token(log_ratio, TOKEN).tolist()
    kept = keeps_trajectory(log_ratio, torch.tensor(trajectories), TRAJECTORY).tolist()
    ratios = [math.exp(a - b) for a, b in zip(trainer, engine, strict=True)]
    assert tokens == [0.5 <= ratio <= 2.0 for ratio in ratios]
    for number, is_kept in enumerate(kept):
        own = [ratio for ratio, of in zip(ratios, trajectories, strict=True) if of == number]
        geometric_mean = math.prod(own) ** (1 / len(own))
        assert is_kept == (0.996 <= geometric_mean <= 1.001)
    if spread == 0.02:
        assert 0 < sum(kept) < len(kept)
    if spread == 1.0:
        assert 0 < sum(tokens) < len(tokens)


def test_the_limits_themselves_are_kept():
    assert keeps_token(torch.tensor([0.5, 2.0]).log(), TOKEN).all()
    assert not keeps_token(torch.tensor([0.499, 2.001]).log(), TOKEN).any()


def test_the_mismatch_is_the_mean_and_the_largest_difference():
    trainer, engine, _ = some_tokens(5, 0.1)
    apart = [abs(a - b) for a, b in zip(trainer, engine, strict=True)]
    found = mismatch(torch.tensor(trainer), torch.tensor(engine))
    assert found.mean == pytest.approx(sum(apart) / len(apart), rel=1e-4)
    assert found.max == pytest.approx(max(apart), rel=1e-4)


def test_the_policy_loss_is_the_mean_over_all_tokens_and_rejected_ones_have_no_gradient():
    logprob = torch.tensor([-1.0, -2.0, -3.0], requires_grad=True)
    loss = policy_loss(logprob, torch.tensor([0.5, -0.5, 0.25]), torch.tensor([True, False, True]), 4)
    assert loss.item() == pytest.approx(-(0.5 * -1.0 + 0.25 * -3.0) / 4)
    loss.backward()
    assert logprob.grad.tolist() == pytest.approx([-0.125, 0.0, -0.0625])


def test_the_kl_estimate_averages_to_the_divergence():
    policy, reference = torch.tensor([0.6, 0.3, 0.1]), torch.tensor([0.2, 0.5, 0.3])
    exact = (policy * (policy / reference).log()).sum().item()
    # Each token as often as the policy samples it: 6 : 3 : 1.
    counts = torch.tensor([6, 3, 1])
    logprob, other = policy.log().repeat_interleave(counts), reference.log().repeat_interleave(counts)
    assert kl_loss(logprob, other, 10).item() == pytest.approx(exact, rel=1e-5)
    assert kl_loss(logprob, logprob, 10).item() == 0.0
