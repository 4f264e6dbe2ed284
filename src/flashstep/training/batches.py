"""The batches of a run: batch i is a function of the recipe, i and, where a phase selects its documents, the
weights that the run began with, so other processes can make them ahead.

Two tasks of reasoning-gym depend on how Python hashes strings, which is fixed for those processes; a run that
makes its batches itself (`--workers 0`) is started with PYTHONHASHSEED=0 to be the same every time.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader, Dataset

from flashstep.chat.template import ChatTemplate
from flashstep.chat.tokenizer import Tokenizer
from flashstep.engine.config import model_window
from flashstep.errors import ConfigError
from flashstep.training.data import alike, long_dialogues
from flashstep.training.packing import Rows, encode_dialogue, pack
from flashstep.training.recipe import Phase, Recipe
from flashstep.training.selection import Judge, select
from flashstep.training.sharing import pack_alike
from flashstep.training.stopping import leave_signals_to_the_run
from flashstep.training.tasks.dialogue import Dialogue
from flashstep.training.tasks.gym.entries import fixed_hash_seed

# How many batches each process makes before the first of them is asked for.
_NUM_AHEAD = 4
# Of a run's folder: the weights that it began with, by which documents are selected.
JUDGE_FOLDER = "judge"


class Batches(Dataset[list[Rows]]):
    """The rows of every step of `recipe`, encoded with the tokenizer and template of folder `path`."""

    def __init__(self, recipe: Recipe, path: Path) -> None:
        self.recipe, self.path = recipe, path
        self._load()

    def _load(self) -> None:
        self.tokenizer = Tokenizer.load(self.path)
        self.template = ChatTemplate.load(self.path, self.tokenizer)
        self.window = model_window(self.recipe.model_config)

    def __getstate__(self) -> tuple[Recipe, Path]:
        return self.recipe, self.path  # a compiled template cannot be sent to another process

    def __setstate__(self, state: tuple[Recipe, Path]) -> None:
        self.recipe, self.path = state
        self._load()

    def __len__(self) -> int:
        return self.recipe.total_steps

    def __getitem__(self, step: int) -> list[Rows]:
        """Rows of each width that is needed; what is longer than the widest row is left out, and if that is
        everything, ConfigError says so.

        MTP modules read tokens ahead, which differ at the end of a beginning that is shared, so in their
        phases nothing is.
        """
        phase, _ = self.recipe.locate(step)
        widths = [width for width in self.recipe.row_tokens if width <= phase.widest_row]
        most_tokens = max(widths, default=0)
        groups = [
            [
                one
                for dialogue in group
                for one in encode_dialogue(dialogue, self.template, self.tokenizer)
                if len(one.token_ids) <= most_tokens
            ]
            for group in self.dialogues(step)
        ]
        if not any(groups):
            raise ConfigError(
                f"step {step}: none of its documents fits a row, the widest has {most_tokens} tokens"
            )
        if phase.known_share < 1:
            groups = select(groups, self.judge, phase.known_share, f"{self.recipe.seed}:known:{step}")
        if phase.mtp_depth:
            return pack([one for group in groups for one in group], widths)
        return pack_alike(groups, widths, self.window)

    @cached_property
    def judge(self) -> Judge:
        """Loaded when a phase selects by it."""
        return Judge.load(self.path / JUDGE_FOLDER)

    def dialogues(self, step: int) -> list[list[Dialogue]]:
        """What `step` trains on, the phase's long texts first; those in one list may begin alike."""
        first, count = self.recipe.documents_of(step)
        phase, _ = self.recipe.locate(step)
        num_long = round(phase.long_share * count)
        return [
            *(self._long(phase, i) for i in range(first, first + num_long)),
            *(self._document(phase, i) for i in range(first + num_long, first + count)),
        ]

    def _document(self, phase: Phase, index: int) -> list[Dialogue]:
        return alike(self.recipe.seed, index, mixture=phase.mixture)

    def _long(self, phase: Phase, index: int) -> list[Dialogue]:
        return long_dialogues(self.recipe.seed, index, phase.long_tokens, self._count_tokens)

    def _count_tokens(self, text: str) -> int:
        return len(self.tokenizer.encode_plain(text))


def batches_from(batches: Batches, step: int, num_workers: int) -> Iterator[list[Rows]]:
    """The batches of `step` and all later ones, in order, made ahead by `num_workers` processes (0: none)."""
    ahead: dict[str, Any] = {}
    if num_workers:
        ahead = {
            "prefetch_factor": _NUM_AHEAD, "multiprocessing_context": "spawn",
            "worker_init_fn": leave_signals_to_the_run,
        }  # fmt: skip
    with fixed_hash_seed():
        return iter(
            DataLoader(
                batches, batch_size=None, sampler=range(step, len(batches)), num_workers=num_workers, **ahead
            )  # fmt: skip
        )
