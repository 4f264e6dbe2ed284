"""Training recipes: frozen, complete descriptions of a run. A recipe is a function that returns one."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from flashstep.errors import ConfigError
from flashstep.model import presets
from flashstep.model.config import ModelConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One stretch of training with a learning-rate schedule of its own.

    train_trunk False freezes the trunk and trains MTP modules alone; `mtp_depth` modules get a
    loss (their mean times `mtp_weight`); `clone_mtp` copies module 1 into the others at the start.
    learning_rate is Muon's (RMS-matched to AdamW); AdamW parameters use it times `adam_scale`.
    The rate warms up over `warmup_steps`, stays, and falls linearly to 0 over the last
    `decay_fraction` of the phase. mixture: what documents are drawn from (`tasks/mixture.py`). long_share: of
    the draws (`documents_per_step`), texts of `long_tokens` tokens (shortest, longest) with up to ten
    questions, whatever the mixture says; 0 = as it says. widest_row: of the recipe's rows (tokens); longer
    documents are left out, as they must be with MTP modules, for which no text is shared. known_share: of the
    documents that the weights which the run began with know by heart, the share that is trained on
    (`selection.py`), so that fewer are than were drawn; 1 = all, and none is judged.
    """

    name: str
    steps: int
    documents_per_step: int
    learning_rate: float
    adam_scale: float = 1.0
    warmup_steps: int = 50
    decay_fraction: float = 0.35
    train_trunk: bool = True
    mtp_depth: int = 0
    mtp_weight: float = 0.3
    clone_mtp: bool = False
    balance_rate: float = 1e-2
    mixture: str = "all"
    long_share: float = 0.0
    long_tokens: tuple[int, int] = (1024, 1024)
    widest_row: int = 1 << 20
    known_share: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A whole run: the model's preset, the data's seed, the widths of rows (tokens) and the phases.

    optimizer: "muon" for matrices inside layers and AdamW for the rest, or "adamw" for all. precision: of
    matrix products, "bfloat16", "float32" or "auto" (bfloat16 where the device is faster with it).
    """

    name: str
    preset: str
    phases: tuple[Phase, ...]
    seed: int = 0
    row_tokens: tuple[int, ...] = (128, 256, 640, 896, 1152, 1664)
    vocab_size: int = 2048
    tokenizer_documents: int = 60_000
    optimizer: str = "muon"
    precision: str = "auto"
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    checkpoint_steps: int = 100

    @property
    def model_config(self) -> ModelConfig:
        """The model that it trains."""
        return ModelConfig.from_hf({**getattr(presets, self.preset)(), "vocab_size": self.vocab_size})

    @property
    def total_steps(self) -> int:
        """Steps of all phases."""
        return sum(p.steps for p in self.phases)

    @property
    def selects(self) -> bool:
        """Whether a phase leaves documents out that are known by heart."""
        return any(p.known_share < 1 for p in self.phases)

    def locate(self, step: int) -> tuple[Phase, int]:
        """The phase that global `step` lies in, and the step within it."""
        for phase in self.phases:
            if step < phase.steps:
                return phase, step
            step -= phase.steps
        raise ConfigError(f"step lies {step} beyond the end of recipe {self.name}")

    def documents_of(self, step: int) -> tuple[int, int]:
        """Of global `step`: the number of its first document in the endless list, and how many it has."""
        count = self.locate(step)[0].documents_per_step
        first = 0
        for phase in self.phases:
            first += min(step, phase.steps) * phase.documents_per_step
            step = max(0, step - phase.steps)
        return first, count

    def scaled(self, factor: float) -> "Recipe":
        """The same recipe with `factor` times the steps in every phase, each of them at least one."""
        steps = [max(1, round(p.steps * factor)) for p in self.phases]
        phases = (replace(p, steps=n) for p, n in zip(self.phases, steps, strict=True))
        return replace(self, phases=tuple(phases))


def nano_cpu() -> Recipe:
    """flashstep-nano on a CPU: about 70M tokens for the trunk, then the MTP modules, then both together."""
    return Recipe(
        name="nano-cpu",
        preset="nano",
        phases=(
            Phase(
                name="trunk", steps=700, documents_per_step=40, learning_rate=3e-3,
                adam_scale=0.75, decay_fraction=0.0,
            ),
            Phase(
                name="anneal", steps=600, documents_per_step=40, learning_rate=2e-3,
                adam_scale=0.75, warmup_steps=10, decay_fraction=1.0,
            ),
            Phase(
                name="long", steps=5000, documents_per_step=40, learning_rate=2e-3,
                adam_scale=0.75, warmup_steps=20, decay_fraction=0.0,
            ),
            Phase(
                name="anneal-long", steps=1500, documents_per_step=40, learning_rate=1.5e-3,
                adam_scale=0.75, warmup_steps=10, decay_fraction=1.0,
            ),
            Phase(
                name="mtp-1", steps=50, documents_per_step=40, learning_rate=3e-3,
                train_trunk=False, mtp_depth=1, mtp_weight=1.0, warmup_steps=10, decay_fraction=0.2,
            ),
            Phase(
                name="mtp-3", steps=150, documents_per_step=40, learning_rate=2e-3,
                train_trunk=False, mtp_depth=3, mtp_weight=1.0, clone_mtp=True, warmup_steps=10,
            ),
            Phase(
                name="settle", steps=300, documents_per_step=40, learning_rate=8e-4,
                adam_scale=0.75, mtp_depth=3, warmup_steps=10, decay_fraction=1.0,
            ),
        ),
    )  # fmt: skip


def nano_gpu() -> Recipe:
    """flashstep-nano on one GPU: the same stages in large batches, about 400M tokens; `scaled` fits them to
    the minutes that there are. Few widths of rows: launching kernels costs more than attention does here."""
    return Recipe(
        name="nano-gpu",
        preset="nano",
        row_tokens=(256, 2048, 8192, 16384),
        checkpoint_steps=500,
        phases=(
            Phase(
                name="trunk", steps=3600, documents_per_step=320, learning_rate=4e-3,
                adam_scale=0.75, warmup_steps=100, decay_fraction=0.0,
            ),
            Phase(
                name="anneal", steps=2000, documents_per_step=320, learning_rate=3e-3,
                adam_scale=0.75, warmup_steps=10, decay_fraction=1.0,
            ),
            Phase(
                name="long-context", steps=300, documents_per_step=160, learning_rate=1e-3,
                adam_scale=0.75, warmup_steps=10, decay_fraction=1.0,
                long_share=5 / 160, long_tokens=(1024, 15360),
            ),
            Phase(
                name="mtp-1", steps=100, documents_per_step=320, learning_rate=3e-3,
                train_trunk=False, mtp_depth=1, mtp_weight=1.0, warmup_steps=10, decay_fraction=0.2,
            ),
            Phase(
                name="mtp-3", steps=400, documents_per_step=320, learning_rate=2e-3,
                train_trunk=False, mtp_depth=3, mtp_weight=1.0, clone_mtp=True, warmup_steps=10,
            ),
            Phase(
                name="settle", steps=400, documents_per_step=320, learning_rate=8e-4,
                adam_scale=0.75, mtp_depth=3, warmup_steps=10, decay_fraction=1.0,
            ),
        ),
    )  # fmt: skip


def nano_world() -> Recipe:
    """The last part of an edition, two hours on two cores, begun (`--from`) with weights that know most of
    it: what they do not know, and long texts; then some of everything; then the MTP modules, which begin with
    what they were for those weights. Rows from 2560 on are multiples of the window: sliding layers then
    attend block by block."""
    return Recipe(
        name="nano-world",
        preset="nano",
        row_tokens=(128, 256, 640, 896, 1152, 1664, 2560, 4096, 6144, 8704),
        seed=160,
        checkpoint_steps=50,
        phases=(
            Phase(
                name="world", steps=250, documents_per_step=250, learning_rate=1.8e-3, adam_scale=0.75,
                warmup_steps=10, decay_fraction=0.95, mixture="world", known_share=0.1,
                long_share=4 / 250, long_tokens=(512, 8192),
            ),
            Phase(
                name="polish", steps=36, documents_per_step=200, learning_rate=6e-4,
                adam_scale=0.75, warmup_steps=10, decay_fraction=1.0, mixture="polish",
                long_share=2 / 200, long_tokens=(512, 8192),
            ),
            Phase(
                name="mtp-3", steps=50, documents_per_step=64, learning_rate=2e-3, mixture="polish",
                train_trunk=False, mtp_depth=3, mtp_weight=1.0, warmup_steps=10, decay_fraction=0.7,
                widest_row=1664,
            ),
        ),
    )  # fmt: skip


def smoke() -> Recipe:
    """A run of seconds that touches every phase; for tests and for trying a change."""
    return Recipe(
        name="smoke",
        preset="toy",
        precision="float32",
        row_tokens=(256, 512),
        vocab_size=384,
        tokenizer_documents=300,
        checkpoint_steps=2,
        phases=(
            Phase(name="trunk", steps=4, documents_per_step=4, learning_rate=3e-3, warmup_steps=1),
            Phase(
                name="mtp-1", steps=2, documents_per_step=4, learning_rate=3e-3,
                train_trunk=False, mtp_depth=1,
            ),
            Phase(
                name="mtp-3", steps=2, documents_per_step=4, learning_rate=3e-3,
                train_trunk=False, mtp_depth=3, clone_mtp=True,
            ),
        ),
    )  # fmt: skip


RECIPES: dict[str, Callable[[], Recipe]] = {
    "nano-cpu": nano_cpu, "nano-gpu": nano_gpu, "nano-world": nano_world, "smoke": smoke,
}  # fmt: skip


def get_recipe(name: str) -> Recipe:
    """Look a recipe up by name; ConfigError lists the names there are."""
    if name not in RECIPES:
        raise ConfigError(f"no recipe is called '{name}'; there are: {', '.join(RECIPES)}")
    return RECIPES[name]()
