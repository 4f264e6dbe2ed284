"""What the engine needs from the thing that computes: batches in, logits and drafts out.

The CPU runner is one; anything with these attributes and methods can be scheduled. The engine
calls a runner from one thread only and never looks inside a batch's results beyond their shapes.
"""

from typing import Protocol, runtime_checkable

from flashstep.engine.batch import Batch, Continuation, DecodeResult, DraftBatch, ForwardResult, Int32
from flashstep.errors import ConfigError
from flashstep.model.config import ModelConfig


def num_stale_rows(num_modules: int) -> int:
    """Rows of a sequence that so many MTP modules may have to compute again, since they read guesses
    (`speculative.Drafter`)."""
    return max(0, num_modules - 1)


class RunnerProtocol(Protocol):
    """A model with its two cache pools, sized once."""

    @property
    def config(self) -> ModelConfig:
        """The loaded model's shape."""
        ...

    @property
    def block_size(self) -> int:
        """Tokens per cache block, the same in both pools."""
        ...

    @property
    def num_full_blocks(self) -> int:
        """Blocks in the pool of the full attention layers."""
        ...

    @property
    def num_sliding_blocks(self) -> int:
        """Blocks in the pool of the sliding layers and the MTP modules."""
        ...

    @property
    def max_batch_tokens(self) -> int:
        """Most rows of one batch, trunk or draft."""
        ...

    @property
    def max_sequences(self) -> int:
        """Most sequences of one batch."""
        ...

    @property
    def max_drafts(self) -> int:
        """Number of MTP modules, so of columns that `draft` returns; 0 = cannot draft."""
        ...

    @property
    def window_tokens(self) -> int:
        """Window of the sliding layers, counting the current token."""
        ...

    def forward(self, batch: Batch) -> ForwardResult:
        """One trunk pass; results may be views that the next `forward` overwrites."""
        ...

    def draft(self, batch: DraftBatch) -> Int32:
        """One pass of all MTP modules; the greedy drafts behind each sequence's last row, [S, J]."""
        ...

    def close(self) -> None:
        """Give threads and memory back; no call may follow."""
        ...


@runtime_checkable
class ContinuingRunner(RunnerProtocol, Protocol):
    """A runner that can go on by itself while sequences decode."""

    @property
    def max_passes(self) -> int:
        """Most trunk passes of one `decode`."""
        ...

    def decode(self, batch: Batch, going_on: Continuation) -> DecodeResult:
        """Several passes, each over the tokens that the one before chose; views as from `forward`.

        The batch has the newest token of each sequence, of all alone or of all with a draft for each MTP
        module, and wants the logits of all rows.
        """
        ...


def check_sizes(**sizes: int) -> None:
    """ConfigError names the first of a runner's sizes that is below 1."""
    for name, value in sizes.items():
        if value < 1:
            raise ConfigError(f"{name} is {value}, must be at least 1")


def check_fits(runner: RunnerProtocol, batch: Batch | DraftBatch) -> None:
    """ValueError when `batch` has more rows or sequences than `runner` takes, or none."""
    rows, sequences = len(batch.token_ids_T), len(batch.query_starts_S1) - 1
    if not 0 < rows <= runner.max_batch_tokens or not 0 < sequences <= runner.max_sequences:
        raise ValueError(
            f"batch of {rows} rows, {sequences} sequences; this runner takes 1 to "
            f"{runner.max_batch_tokens} rows and 1 to {runner.max_sequences} sequences"
        )
