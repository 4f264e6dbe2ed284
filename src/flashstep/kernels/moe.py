"""Router and grouping for the mixture of experts.

Scores are sigmoids of float32 router logits. The bias takes part in the choice only; the weights of
the chosen experts are their raw scores, normalised to sum to `routed_scale`. On equal scores the
lower expert wins.
"""

import numpy as np

from flashstep.kernels.activation import sigmoid
from flashstep.kernels.jit import kernel
from flashstep.kernels.tables import Float32, Int32

_TINY = np.float32(1e-20)


@kernel
def choose_experts(
    logits: Float32, at: int, num_experts: int, bias: Float32, bias_at: int, top_k: int, scale: np.float32,
    expert_ids: Int32, weights: Float32, to: int,
) -> None:  # fmt: skip
    """Pick `top_k` experts of one row: ids and weights go to `[to : to + top_k]`.

    logits: float32, the row's starts at `at`; overwritten by scores. bias: float32 from `bias_at`.
    """
    for e in range(num_experts):
        logits[at + e] = sigmoid(logits[at + e])
    for k in range(top_k):  # until all are seen: the best biased scores so far, best first
        weights[to + k], expert_ids[to + k] = np.float32(-np.inf), 0
    for e in range(num_experts):
        value, k = logits[at + e] + bias[bias_at + e], top_k - 1
        if value > weights[to + k]:
            while k > 0 and value > weights[to + k - 1]:
                weights[to + k], expert_ids[to + k] = weights[to + k - 1], expert_ids[to + k - 1]
                k -= 1
            weights[to + k], expert_ids[to + k] = value, e
    total = _TINY
    for k in range(top_k):
        weights[to + k] = logits[at + expert_ids[to + k]]
        total += weights[to + k]
    for k in range(top_k):
        weights[to + k] = weights[to + k] / total * scale


@kernel
def group_by_expert(
    expert_ids: Int32, num_rows: int, top_k: int, num_experts: int, starts: Int32, rows: Int32, places: Int32
) -> None:
    """Counting sort of the `num_rows * top_k` routed rows; a routed row's place is its rank by expert.

    starts [E + 1]: first place of each expert, then the count; rows [place]: the row t to read;
    places [t * K + k]: where the k-th expert of row t has its result. For choices [[1, 0], [1, 2]]:
    starts = [0, 1, 3, 4], rows = [0, 0, 1, 1], places = [1, 0, 2, 3].
    """
    for e in range(num_experts + 1):
        starts[e] = 0
    for r in range(num_rows * top_k):
        starts[expert_ids[r] + 1] += 1
    for e in range(num_experts):
        starts[e + 1] += starts[e]
    for r in range(num_rows * top_k):
        place = starts[expert_ids[r]]
        rows[place] = r // top_k
        places[r] = place
        starts[expert_ids[r]] = place + 1
    for e in range(num_experts, 0, -1):
        starts[e] = starts[e - 1]
    starts[0] = 0
