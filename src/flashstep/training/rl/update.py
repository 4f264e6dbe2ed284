"""One step of the policy: measure the mismatch, filter, and move the weights.

Shapes: N sampled tokens of the step, M of them in one part of its rows.
"""

from typing import Any

import torch
from torch import Tensor

from flashstep.errors import ConfigError
from flashstep.model.transformer import Transformer
from flashstep.training.optim import make_optimizers, update
from flashstep.training.rl.batch import RolloutBatch
from flashstep.training.rl.filters import keeps_token, keeps_trajectory, mismatch
from flashstep.training.rl.loss import kl_loss, policy_loss
from flashstep.training.rl.policy import chosen, entropy, log_probabilities
from flashstep.training.rl.recipe import RLRecipe


class Updater:
    """Owns the policy's optimizers and, with a KL term, the model it started from.

    Routers stay as they are (a router that moves makes trainer and engine choose other experts), and so do
    the MTP modules: they draft and never decide.
    """

    def __init__(
        self, recipe: RLRecipe, model: Transformer, reference: Transformer | None, num_valid_tokens: int
    ) -> None:
        self.recipe, self.model, self.reference = recipe, model, reference
        self.num_valid_tokens = num_valid_tokens
        model.eval()
        for name, p in model.named_parameters():
            p.requires_grad_(not name.startswith("mtp.") and ".router." not in name)
        self.optimizers = make_optimizers(model, recipe.phase, recipe.optimizer, recipe.weight_decay)

    def update(self, batch: RolloutBatch, step: int) -> dict[str, Any]:
        """Move the weights by one optimizer step; returns its figures. ConfigError, with the weights
        untouched, when trainer and engine are too far apart or the gradient is not finite."""
        trainer_N, mean_entropy = self._score(batch)
        found = mismatch(trainer_N, batch.engine_N)
        if not found.mean <= self.recipe.max_mismatch:
            raise ConfigError(
                f"step {step}: trainer and engine differ by {found.mean:.2g} nats a token on average, more "
                f"than {self.recipe.max_mismatch:g}; use weight_format float32 or raise max_mismatch"
            )
        token_N, trajectory_R = self._filters(batch, trainer_N)
        losses = self._backward(batch, token_N & trajectory_R[batch.trajectory_N])
        phase, clip_norm = self.recipe.phase, self.recipe.clip_norm
        return {
            **losses, "grad_norm": update(self.model, self.optimizers, phase, step, clip_norm, step),
            "entropy": mean_entropy,
            "mismatch_mean": found.mean, "mismatch_max": found.max,
            "kept_tokens": token_N.float().mean().item(),
            "kept_trajectories": trajectory_R.float().mean().item(),
        }  # fmt: skip

    @torch.no_grad()
    def _score(self, batch: RolloutBatch) -> tuple[Tensor, float]:
        """The trainer's log-probabilities [N] of the sampled tokens, and the policy's mean entropy."""
        trainer_N = torch.zeros_like(batch.engine_N)
        total = 0.0
        for rows in batch.rows:
            index_M, wanted_M, place_M = batch.places(rows)
            logprobs_MV = log_probabilities(self.model, rows, index_M, self.num_valid_tokens)
            trainer_N[place_M] = chosen(logprobs_MV, wanted_M)
            total += entropy(logprobs_MV).sum().item()
        return trainer_N, total / batch.num_tokens

    def _filters(self, batch: RolloutBatch, trainer_N: Tensor) -> tuple[Tensor, Tensor]:
        """What MIS-PO keeps: tokens [N] and trajectories [R]."""
        log_ratio_N = trainer_N - batch.engine_N
        return (
            keeps_token(log_ratio_N, self.recipe.token_ratio),
            keeps_trajectory(log_ratio_N, batch.trajectory_N, self.recipe.trajectory_ratio),
        )

    def _backward(self, batch: RolloutBatch, keep_N: Tensor) -> dict[str, float]:
        """Gradients of the loss over all rows; its two terms."""
        policy = kl = 0.0
        for rows in batch.rows:
            index_M, wanted_M, place_M = batch.places(rows)
            logprob_M = chosen(log_probabilities(self.model, rows, index_M, self.num_valid_tokens), wanted_M)
            loss = policy_loss(logprob_M, batch.advantage_N[place_M], keep_N[place_M], batch.num_tokens)
            policy += loss.item()
            if self.reference is not None:
                with torch.no_grad():
                    reference_MV = log_probabilities(self.reference, rows, index_M, self.num_valid_tokens)
                part = kl_loss(logprob_M, chosen(reference_MV, wanted_M), batch.num_tokens)
                kl += part.item()
                loss = loss + self.recipe.kl_weight * part
            loss.backward()
        return {"loss": policy, "kl": kl}
