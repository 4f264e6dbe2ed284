"""MIS-PO's filters (Metropolis-independence-sampling filtered policy optimisation, Step 3.5 Flash report).

The engine samples, the trainer updates, and their numerics differ. Instead of weighing a token by the
ratio of both probabilities, a token counts only if its ratio lies in a range, and a trajectory only if the
geometric mean of its ratios does. Shapes: N sampled tokens, R trajectories.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Mismatch:
    """How far trainer and engine are apart: |difference of log-probabilities| over the sampled tokens, in
    nats."""

    mean: float
    max: float


def mismatch(trainer_N: Tensor, engine_N: Tensor) -> Mismatch:
    """Of natural-log probabilities of the same tokens; at least one."""
    difference_N = (trainer_N - engine_N).abs()
    return Mismatch(difference_N.mean().item(), difference_N.max().item())


def keeps_token(log_ratio_N: Tensor, limits: tuple[float, float]) -> Tensor:
    """True [N] where exp(log_ratio), trainer over engine, lies in the closed range `limits`."""
    return _within(log_ratio_N.exp(), limits)


def keeps_trajectory(log_ratio_N: Tensor, trajectory_N: Tensor, limits: tuple[float, float]) -> Tensor:
    """True [R] where the geometric mean of a trajectory's ratios lies in the closed range `limits`.

    trajectory_N: int64, the number of the trajectory that a token belongs to; each of 0 .. R - 1 has some.
    """
    count_R = torch.bincount(trajectory_N)
    sum_R = torch.zeros(len(count_R), dtype=torch.float64)
    sum_R.index_add_(0, trajectory_N, log_ratio_N.double())
    return _within((sum_R / count_R).exp(), limits)


def _within(ratio: Tensor, limits: tuple[float, float]) -> Tensor:
    return (ratio >= limits[0]) & (ratio <= limits[1])
