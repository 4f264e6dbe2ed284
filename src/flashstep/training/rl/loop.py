"""The loop of reinforcement learning: sample from the engine, judge, update, and give the engine the weights.

Resumes to the bit from `checkpoint.py`'s file: a step's items and the seeds of its rollouts are functions of
(seed, step), and every step samples from the weights that the last one left.
"""

import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

from flashstep.chat.template import ChatTemplate
from flashstep.chat.tokenizer import Tokenizer
from flashstep.engine.config import EngineConfig, model_window
from flashstep.engine.llm import LLM
from flashstep.engine.loading import engine_of
from flashstep.errors import ConfigError
from flashstep.model.transformer import Transformer
from flashstep.training.checkpoint import read_state, write_state
from flashstep.training.curves import Record
from flashstep.training.evaluation.item import Item
from flashstep.training.rl.advantage import trained_rollouts
from flashstep.training.rl.batch import make_batch
from flashstep.training.rl.curves import plot_rl_curves
from flashstep.training.rl.items import check_families, train_items
from flashstep.training.rl.policy import ModelTensors
from flashstep.training.rl.recipe import RLRecipe
from flashstep.training.rl.rollout import Limits, Player, Rollout, RolloutGroup
from flashstep.training.rl.update import Updater
from flashstep.training.stopping import Stop

Report = Callable[[dict[str, Any]], None]


class RLTrainer:
    """Owns the policy, its updater and the run's folder, which has the tokenizer and the template."""

    def __init__(self, recipe: RLRecipe, model: Transformer, out: Path, threads: int | None = None) -> None:
        """`model` is the start of the run. threads: the engine's; None = one per usable core."""
        check_families(recipe.families)
        self.recipe, self.model, self.out, self.threads = recipe, model, out, threads
        self.tokenizer = Tokenizer.load(out)
        limits = Limits(recipe.max_tokens, recipe.row_tokens[-1], recipe.truncation)
        self.player = Player(ChatTemplate.load(out, self.tokenizer), self.tokenizer, limits)
        reference = deepcopy(model).eval().requires_grad_(False) if recipe.kl_weight else None
        self.window = model_window(model.config)
        self.updater = Updater(recipe, model, reference, self.tokenizer.vocab_size)
        self.step = 0
        self.tokens = 0

    def resume(self) -> None:
        """Continue from the folder's saved state, if there is one. ConfigError when another recipe's, or of
        another number of steps (`--scale`)."""
        state = read_state(self.out)
        if state is None:
            return
        name = state["recipe"]["name"]
        if name != self.recipe.name:
            raise ConfigError(
                f"{self.out} has an unfinished run of recipe '{name}', not of '{self.recipe.name}'; choose "
                f"another --out folder"
            )
        steps = state["recipe"]["steps"]
        if steps != self.recipe.steps:
            raise ConfigError(
                f"the run in {self.out} was begun with {steps} steps, not with {self.recipe.steps}; give the "
                f"--scale that it was begun with, or another --out"
            )
        self.model.load_state_dict(state["model"])
        if self.updater.reference is not None:
            self.updater.reference.load_state_dict(state["reference"])
        for kind, optimizer in self.updater.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][kind])
        self.step, self.tokens = state["step"], state["tokens"]

    def run(self, report: Report, stop: Stop) -> bool:
        """Train to the recipe's end, or until `stop` is true; True when the end was reached.

        Saves every `checkpoint_steps` and at the end.
        """
        record = Record(self.out, self.step)
        self.save()  # a run that is killed before its first checkpoint goes on from here
        while self.step < self.recipe.steps and not stop:
            row = self.train_step()
            record.add(row)
            report(row)
            if self.step % self.recipe.checkpoint_steps == 0:
                self.save()
        self.save()
        return self.step >= self.recipe.steps

    def save(self) -> None:
        """Write the resumable state and the curves."""
        reference = self.updater.reference
        state = {
            "recipe": asdict(self.recipe),
            "step": self.step,
            "tokens": self.tokens,
            "model": self.model.state_dict(),
            "reference": None if reference is None else reference.state_dict(),
            "optimizers": {kind: o.state_dict() for kind, o in self.updater.optimizers.items()},
        }
        write_state(self.out, state)
        plot_rl_curves(self.out)

    def train_step(self) -> dict[str, Any]:
        """Rollouts and one update; returns their figures. Without a group to learn from the weights stay."""
        started = time.perf_counter()
        groups = self.rollouts(self.items(self.step))
        sampled = time.perf_counter()
        trained = trained_rollouts(groups)
        figures: dict[str, Any] = {}
        if trained:
            widths, most_tokens = self.recipe.row_tokens, self.recipe.micro_batch_tokens
            batch = make_batch(trained, widths, most_tokens, self.window)
            figures = self.updater.update(batch, self.step)
        rollouts = [rollout for group in groups for rollout in group]
        num_tokens = sum(rollout.num_tokens for rollout in rollouts)
        self.step += 1
        self.tokens += num_tokens
        return {
            "step": self.step - 1, "tokens": self.tokens, **outcome(groups, len(trained)), **figures,
            "rollout_s": sampled - started, "update_s": time.perf_counter() - sampled,
            "sampled_tokens_per_s": num_tokens / (sampled - started),
        }  # fmt: skip

    def items(self, step: int) -> list[Item]:
        """What global `step` asks."""
        count, families = self.recipe.groups_per_step, self.recipe.families
        return train_items(self.recipe.seed, step, count, families, self.player.fits)

    def rollouts(self, items: Sequence[Item]) -> list[RolloutGroup]:
        """Sampled from the engine with the weights of now."""
        seed = f"{self.recipe.seed}:{self.step}"
        with self.engine() as llm:
            return self.player.play(items, self.recipe.group_size, seed, llm.generate)

    def engine(self) -> LLM:
        """The project's own engine on the weights of now, without drafts: many sequences run at once."""
        config = EngineConfig(
            num_threads=self.threads, weight_format=self.recipe.weight_format, num_draft_tokens=0
        )
        source = ModelTensors(self.model)
        return LLM(engine_of(source, config, num_valid_tokens=self.tokenizer.vocab_size))


def outcome(groups: Sequence[RolloutGroup], num_trained: int) -> dict[str, Any]:
    """What came of a step's rollouts: mean reward (left-out ones aside), shares, mean tokens of a rollout.
    `families`: of each family the mean reward."""
    rollouts = [rollout for group in groups for rollout in group]
    by_family: dict[str, list[float]] = {}
    for rollout in rollouts:
        if rollout.reward is not None:
            by_family.setdefault(rollout.item.family, []).append(rollout.reward)
    rewards = [reward for some in by_family.values() for reward in some]
    return {
        "reward": fmean(rewards) if rewards else None,
        "families": {family: fmean(some) for family, some in sorted(by_family.items())},
        "dropped_groups": sum(not _has_spread(group) for group in groups) / len(groups),
        "trained_rollouts": num_trained,
        "truncated": fmean(rollout.is_truncated for rollout in rollouts),
        "rollout_tokens": fmean(rollout.num_tokens for rollout in rollouts),
    }


def _has_spread(group: Sequence[Rollout]) -> bool:
    return len({rollout.reward for rollout in group if rollout.reward is not None}) > 1
