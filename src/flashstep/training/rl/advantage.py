"""Group-relative advantages: how much better a rollout was than its siblings.

The reward minus the group's mean, without a division by its spread, which would weigh items by how hard
they are (arXiv 2503.20783). No critic: the mean of the siblings is the baseline.
"""

from collections.abc import Sequence

from flashstep.training.rl.rollout import Rollout, RolloutGroup


def advantages(rewards: Sequence[float]) -> list[float]:
    """[1, 0, 0, 1] -> [0.5, -0.5, -0.5, 0.5]."""
    mean = sum(rewards) / len(rewards)
    return [reward - mean for reward in rewards]


def trained_rollouts(groups: Sequence[RolloutGroup]) -> list[tuple[Rollout, float]]:
    """Rollouts with their advantages. A group whose rewards are all equal teaches nothing and is dropped; a
    rollout without a reward belongs to no group."""
    trained: list[tuple[Rollout, float]] = []
    for group in groups:
        judged = [(rollout, rollout.reward) for rollout in group if rollout.reward is not None]
        rewards = [reward for _, reward in judged]
        if len(set(rewards)) > 1:
            trained += zip((rollout for rollout, _ in judged), advantages(rewards), strict=True)
    return trained
