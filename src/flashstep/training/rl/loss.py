"""The loss of a step: MIS-PO's policy term, and the KL divergence to the start.

Shapes: N sampled tokens of the step, M of them in the rows at hand.
"""

from torch import Tensor


def policy_loss(logprob_M: Tensor, advantage_M: Tensor, keep_M: Tensor, num_tokens: int) -> Tensor:
    """-sum(keep * advantage * log pi) / N: a token that the filters reject stays in the mean, with nothing.

    num_tokens: N, so that the sum over all rows of a step is its mean.
    """
    return -(keep_M * advantage_M * logprob_M).sum() / num_tokens


def kl_loss(logprob_M: Tensor, reference_M: Tensor, num_tokens: int) -> Tensor:
    """KL(policy || reference), estimated from the sampled tokens: sum(r - 1 - log r) / N with
    r = reference / policy, which is never negative (Schulman's third estimator). As a loss it is
    a little more than that: its gradient is that of KL(reference || policy), the same near the start."""
    log_ratio_M = reference_M - logprob_M
    return (log_ratio_M.exp() - 1 - log_ratio_M).sum() / num_tokens
