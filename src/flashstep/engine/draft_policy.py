"""Which requests draft, and for how long: as long as drafting has not cost them more than it saved.

A verifying step costs more than a plain one, by a factor that follows from the model's shape, and brings one
token more for each draft it keeps. So each request has an account in plain steps: one with drafts that are
rarely right stops for good once it has lost two steps' worth, and the next ones do not begin for a while,
twice as long after each further loss. No clock is read: the same requests always draft alike.
"""

from flashstep.engine.sequence import Sequence
from flashstep.model.config import DenseSpec, LayerSpec, ModelConfig

# A request may lose as much as this many verifying steps in which no draft is kept.
_LOST_STEPS = 2
_LONGEST_PAUSE = 64  # requests


class DraftPolicy:
    """Keeps the accounts of one engine's requests; `num_drafts` is how many a step verifies."""

    def __init__(self, config: ModelConfig, num_drafts: int) -> None:
        self.step_cost = step_cost(config, num_drafts)
        self._allowance = _LOST_STEPS * (self.step_cost - 1)
        self._pause = 0  # requests that will not draft
        self._next_pause = 1

    def admits(self) -> bool:
        """Whether the next request drafts; asked once for each."""
        if self._pause == 0:
            return True
        self._pause -= 1
        return False

    def keeps(self, seq: Sequence, num_accepted: int) -> bool:
        """Enter a verifying step into the account of `seq`; False = it shall stop drafting."""
        seq.draft_gain += 1 + num_accepted - self.step_cost
        if seq.draft_gain < -self._allowance:
            self._pause = self._next_pause
            self._next_pause = min(2 * self._next_pause, _LONGEST_PAUSE)
            return False
        if seq.draft_gain > self._allowance:
            self._next_pause = 1
        return True


def step_cost(config: ModelConfig, num_drafts: int) -> float:
    """What a step that verifies `num_drafts` drafts and makes new ones reads of the weights, in plain steps.

    Decoding one stream takes as long as reading weights. One row reads top_k of E experts, 1 + num_drafts
    rows that choose independently E * (1 - (1 - top_k / E)^rows) of them. flashstep-nano and three drafts:
    2.6, where 2.4 was measured.
    """
    head = config.d_model * config.vocab_size
    plain, verifying = (
        head + sum(weights_read(layer, config.d_model, rows) for layer in config.layers)
        for rows in (1, 1 + num_drafts)
    )
    fuse = 2 * config.d_model**2
    modules = sum(fuse + head + weights_read(layer, config.d_model, 1) for layer in config.mtp)
    return (verifying + modules) / plain


def weights_read(layer: LayerSpec, d_model: int, num_rows: int) -> float:
    """Weights in the matrices of one layer that `num_rows` rows read, if each chooses its experts by itself:
    for one row those of top_k experts, for many of nearly all."""
    q_heads, kv_heads = layer.num_q_heads, layer.num_kv_heads
    attention = d_model * (2 * q_heads * layer.head_dim + 2 * kv_heads * layer.head_dim + q_heads)
    mlp = layer.mlp
    if isinstance(mlp, DenseSpec):
        return attention + 3 * d_model * mlp.inner_dim
    num_experts_read = mlp.num_experts * (1 - (1 - mlp.top_k / mlp.num_experts) ** num_rows)
    router = d_model * mlp.num_experts
    return attention + router + 3 * d_model * (mlp.shared_dim + num_experts_read * mlp.expert_dim)
