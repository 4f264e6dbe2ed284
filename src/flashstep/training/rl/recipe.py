"""Recipes of reinforcement learning: frozen, complete descriptions of a run. No torch here."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from flashstep.engine.config import WeightFormat
from flashstep.errors import ConfigError
from flashstep.training.recipe import RECIPES, Phase, Recipe, get_recipe

# What a rollout counts that was cut at a limit: "wrong" = reward 0, "leave-out" = it is in no group and
# not trained on, "judge" = what there is of it is judged like a whole one.
Truncation = Literal["wrong", "leave-out", "judge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RLRecipe:
    """A whole run: what is asked, how often, what is kept of the rollouts, and how the policy moves.

    families: which task families are asked, equally often; () = all, by their weights. A step asks
    `groups_per_step` items, each `group_size` times at temperature 1; a turn has at most `max_tokens` tokens
    and fits, with its prompt, into the widest of `row_tokens`. token_ratio, trajectory_ratio: the closed
    ranges of MIS-PO's filters (filters.py). kl_weight: of the KL divergence to the start, 0 = none.
    max_mismatch: a step is refused when trainer and engine differ by more than this, in nats a token on
    average. weight_format: the engine's; float32 is the trainer's own precision. learning_rate, adam_scale,
    warmup_steps, decay_fraction, optimizer: as in `Phase` and `Recipe`. micro_batch_tokens: most tokens in
    one forward pass of the trainer.
    """

    name: str
    steps: int
    seed: int = 0
    families: tuple[str, ...] = ()
    groups_per_step: int = 16
    group_size: int = 8
    max_tokens: int = 768
    row_tokens: tuple[int, ...] = (256, 512, 1024, 2048)
    truncation: Truncation = "wrong"
    token_ratio: tuple[float, float] = (0.5, 2.0)
    trajectory_ratio: tuple[float, float] = (0.996, 1.001)
    kl_weight: float = 1e-3
    max_mismatch: float = 0.01
    weight_format: WeightFormat = "float32"
    optimizer: str = "muon"
    learning_rate: float = 1e-4
    adam_scale: float = 0.75
    warmup_steps: int = 10
    decay_fraction: float = 0.0
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    micro_batch_tokens: int = 16384
    checkpoint_steps: int = 10

    @property
    def phase(self) -> Phase:
        """The run as one phase, for the optimizers and the learning-rate schedule."""
        return Phase(
            name=self.name, steps=self.steps, documents_per_step=self.groups_per_step * self.group_size,
            learning_rate=self.learning_rate, adam_scale=self.adam_scale,
            warmup_steps=self.warmup_steps, decay_fraction=self.decay_fraction,
        )  # fmt: skip

    def scaled(self, factor: float) -> "RLRecipe":
        """The same recipe with `factor` times the steps, at least one."""
        return replace(self, steps=max(1, round(self.steps * factor)))


def nano_rl() -> RLRecipe:
    """flashstep-nano on what it answers right mostly, not always: groups of equal rewards teach nothing."""
    return RLRecipe(
        name="nano-rl", steps=100, max_tokens=384, decay_fraction=0.4,
        families=(
            "letters", "spelling", "backwards", "nth_letter", "letter_positions", "vowels", "word_length",
            "edits", "repeat", "outside", "talk_follow_up", "talk_form", "talk_memory", "talk_persona",
            "tool_single", "tool_everyday",
        ),
    )  # fmt: skip


def smoke_rl() -> RLRecipe:
    """A run of seconds; for tests and for trying a change."""
    return RLRecipe(
        name="smoke-rl", steps=3, families=("letters", "comparison"), groups_per_step=2, group_size=2,
        max_tokens=24, row_tokens=(256, 512), checkpoint_steps=2,
    )  # fmt: skip


RL_RECIPES: dict[str, Callable[[], RLRecipe]] = {"nano-rl": nano_rl, "smoke-rl": smoke_rl}


def find_recipe(name: str) -> Recipe | RLRecipe:
    """A recipe of either kind by name; ConfigError lists the names there are."""
    if name in RL_RECIPES:
        return RL_RECIPES[name]()
    if name in RECIPES:
        return get_recipe(name)
    raise ConfigError(f"no recipe is called '{name}'; there are: {', '.join((*RECIPES, *RL_RECIPES))}")
