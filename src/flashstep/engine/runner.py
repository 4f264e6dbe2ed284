"""Loads a checkpoint into the CPU kernels and runs batches: the trunk, and the MTP draft chain.

One compiled call per step. Batches are copied into fixed staging arrays, results are views of fixed
buffers that the next call of the same kind overwrites. A `Runner` is used from one thread at a time.
Shape letters: T rows, S sequences, R wanted logit rows, J drafts, D width, V vocabulary.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flashstep.engine.batch import Batch, Continuation, DecodeResult, DraftBatch, ForwardResult
from flashstep.engine.config import WeightFormat, bytes_per_cached_number, model_window
from flashstep.engine.kv_cache import new_caches
from flashstep.engine.runner_protocol import check_fits, check_sizes, num_stale_rows
from flashstep.engine.weights import PackedModel, StorageFormats, pack
from flashstep.kernels.decoding import (
    DRAFT,
    HAS_FAILED,
    NEXT,
    PASSES,
    PASSES_MADE,
    TRUNK,
    Decoding,
    new_decoding,
)
from flashstep.kernels.limits import MAX_PASSES, MAX_TOKENS, TAIL
from flashstep.kernels.tables import Inputs, Sizes
from flashstep.kernels.team import Workers
from flashstep.kernels.workspace import Strides, Workspace, new_inputs, new_workspace
from flashstep.model.checkpoint import Checkpoint
from flashstep.model.config import ModelConfig


class Runner:
    """A loaded model with its K/V pools, ready to run batches of at most `max_batch_tokens` rows.

    config: the model; max_drafts: number of MTP modules; window_tokens: widest sliding window
    (1 when there are only full layers). Pools hold `num_full_blocks` / `num_sliding_blocks` blocks of float32
    (4 bytes a number) or bfloat16 (2). max_passes: most trunk passes of one `decode`.
    """

    max_passes = MAX_PASSES

    def __init__(
        self,
        config: ModelConfig,
        model: PackedModel,
        *,
        num_threads: int,
        block_size: int = 16,
        num_full_blocks: int,
        num_sliding_blocks: int,
        max_batch_tokens: int,
        max_sequences: int,
        bytes_per_cached_number: int,
    ) -> None:
        """Allocate pools, workspace and threads for a packed model. ConfigError names a size below 1."""
        check_sizes(
            num_threads=num_threads, block_size=block_size, num_full_blocks=num_full_blocks,
            num_sliding_blocks=num_sliding_blocks, max_batch_tokens=max_batch_tokens,
            max_sequences=max_sequences,
        )  # fmt: skip
        embedding, final_norm, head = (int(value) for value in model.anchors)
        sizes = Sizes(
            d_model=config.d_model, vocab_size=config.vocab_size, num_layers=len(config.layers),
            num_drafts=len(config.mtp), embedding=embedding, final_norm=final_norm, head=head,
            num_ropes=len(model.ropes), block_size=block_size, num_full_blocks=num_full_blocks,
            num_sliding_blocks=num_sliding_blocks, max_rows=max_batch_tokens,
            table_stride=-(-config.max_positions // block_size),
        )  # fmt: skip
        layers = model.layers
        self.config = config
        self.block_size, self.max_batch_tokens = block_size, max_batch_tokens
        self.num_full_blocks, self.num_sliding_blocks = num_full_blocks, num_sliding_blocks
        self.max_drafts, self.max_sequences = sizes.num_drafts, max_sequences
        self.window_tokens = model_window(config)
        heads = [(x.num_q_heads + 2 * x.num_kv_heads) * x.head_dim for x in layers]
        widest_rope = max(2, 2 * int(model.ropes[:, 1].max()))
        work = new_workspace(sizes, layers, max(heads), widest_rope, max_sequences, num_threads)
        inputs = new_inputs(max_batch_tokens, max_sequences, sizes.table_stride, sizes.num_drafts)
        self._logit_stride = Strides(*work.strides.tolist()).logits
        self._num_stale_rows = num_stale_rows(self.max_drafts)
        decoding = new_decoding(
            max_sequences, self._num_stale_rows, sizes.d_model, self._logit_stride, num_threads
        )
        # None once closed.
        self._buffers: tuple[Workspace, Inputs, Decoding] | None = (work, inputs, decoding)
        caches = new_caches(config, block_size, num_full_blocks, num_sliding_blocks, bytes_per_cached_number)
        limits = [
            config.vocab_size, sizes.block_size, sizes.num_full_blocks, sizes.num_sliding_blocks,
            self.window_tokens, sizes.table_stride,
        ]  # fmt: skip
        tables = model.tables(sizes, config.norm_eps)
        self._workers = Workers(
            num_threads, model.weights, tables, caches, work, inputs, decoding, np.array(limits, np.int64)
        )

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        weight_format: WeightFormat = "int8",
        **sizes: int,
    ) -> "Runner":
        """Read `config.json` and the weights of folder `path`; ConfigError says what cannot work.

        weight_format: see `EngineConfig`. sizes: the keyword arguments of `Runner`.
        """
        config = ModelConfig.load(path)
        model = pack(Checkpoint.open(path, config), StorageFormats.of(weight_format))
        return cls(config, model, bytes_per_cached_number=bytes_per_cached_number(weight_format), **sizes)

    def forward(self, batch: Batch) -> ForwardResult:
        """Run the trunk: writes K/V of all rows, returns logits [R, V] and, if wanted, pre-norm hidden
        states [T, D].

        Raises ValueError for a batch that does not fit (rows, sequences, block ids, token ids).
        """
        work, inputs, decoding = self._opened()
        decoding.counts[PASSES] = 0
        self._stage_trunk(inputs, batch)
        self._workers.run()
        wanted, v, stride = len(batch.logit_rows_R), self.config.vocab_size, self._logit_stride
        logits = work.logits[: wanted * stride].reshape(wanted, stride)[:, :v]
        return ForwardResult(np.ascontiguousarray(logits), self._hidden(work, batch))

    def decode(self, batch: Batch, going_on: Continuation) -> DecodeResult:
        """Run the trunk over sequences that all decode, choose their tokens, and go on.

        Raises ValueError for what does not fit, FloatingPointError for a row without a finite best logit.
        """
        work, inputs, decoding = self._opened()
        count = len(going_on.tails_SN)
        self._check_decode(batch, count, going_on.num_passes)
        self._stage_trunk(inputs, batch)
        decoding.counts[:NEXT] = going_on.num_passes, going_on.num_valid_tokens, self._num_stale_rows, 0, 0, 0
        decoding.stop_ids[:count] = going_on.stop_ids_SM
        decoding.wishes[:count] = going_on.wishes_S4
        decoding.uniforms[:count, : going_on.uniforms_SN.shape[1]] = going_on.uniforms_SN
        decoding.tokens[:count, :TAIL] = going_on.tails_SN
        decoding.totals[:count] = decoding.history_rows[:count] = 0
        for s, rows in enumerate(going_on.histories):
            if rows is not None:
                decoding.history[s, : len(rows)] = rows
                decoding.history_rows[s] = len(rows)
        self._workers.run()
        if decoding.counts[HAS_FAILED]:
            raise FloatingPointError("the model's best logit is not finite; its weights may be damaged")
        return self._decoded(work, decoding, batch, count)

    def _check_decode(self, batch: Batch, count: int, num_passes: int) -> None:
        rows, rows_each = len(batch.token_ids_T), len(batch.token_ids_T) // max(1, count)
        if not 0 < num_passes <= min(MAX_PASSES, MAX_TOKENS // max(1, rows_each)):
            raise ValueError(f"{num_passes} passes of {rows_each} rows for each sequence cannot be made")
        is_even = np.array_equal(batch.query_starts_S1, np.arange(count + 1) * rows_each)
        is_scored = np.array_equal(batch.logit_rows_R, np.arange(rows))
        has_drafts = rows_each == 1 + self.max_drafts <= TAIL and batch.wants_hidden
        if not is_even or not is_scored or not (rows_each == 1 or has_drafts):
            raise ValueError(
                f"decode takes the newest token of each of {count} sequences, alone or with "
                f"{self.max_drafts} drafts (and hidden states), and logits of all rows"
            )

    def _decoded(self, work: Workspace, decoding: Decoding, batch: Batch, count: int) -> DecodeResult:
        made = int(decoding.counts[PASSES_MADE])
        tokens, totals = decoding.tokens[:count, TAIL:].tolist(), decoding.totals[:count].tolist()
        emitted = decoding.emitted.reshape(-1)[: made * count].reshape(made, count)
        num_rows = decoding.history_rows[:count].tolist() if batch.wants_hidden else []
        return DecodeResult(
            token_ids=[row[:total] for row, total in zip(tokens, totals, strict=True)],
            emitted=emitted.T.tolist(),
            hidden_TD=self._hidden(work, batch),
            histories=[decoding.history[s, :n].copy() for s, n in enumerate(num_rows)],
        )

    def _hidden(self, work: Workspace, batch: Batch) -> NDArray[np.float32]:
        """Hidden states of the last trunk pass, which had as many rows as `batch`."""
        d, rows = self.config.d_model, len(batch.token_ids_T) if batch.wants_hidden else 0
        return work.hidden[: rows * d].reshape(rows, d)

    def draft(self, batch: DraftBatch) -> NDArray[np.int32]:
        """Run all MTP modules; returns their best tokens at each sequence's last row, int32 [S, J]."""
        work, inputs, decoding = self._opened()
        rows, sequences = len(batch.token_ids_T), len(batch.query_starts_S1) - 1
        if self.max_drafts == 0:
            return np.zeros((sequences, 0), np.int32)
        decoding.counts[PASSES] = 0
        self._stage(inputs, DRAFT, batch, 0)
        inputs.append_token_ids[:sequences, : self.max_drafts] = batch.append_token_ids_SJ
        d = self.config.d_model
        work.residual[: rows * d].reshape(rows, d)[:] = batch.hidden_TD
        self._workers.run()
        return inputs.drafts[:sequences, : self.max_drafts].copy()

    def close(self) -> None:
        """Stop the worker threads and let weights, pools and buffers go; no call may follow.

        What shares their memory keeps it: a caller's own `PackedModel`, the last `ForwardResult`.
        """
        self._workers.close()
        self._buffers = None

    def _opened(self) -> tuple[Workspace, Inputs, Decoding]:
        if self._buffers is None:
            raise ValueError("this runner is closed; load the model again")
        return self._buffers

    def _stage_trunk(self, inputs: Inputs, batch: Batch) -> None:
        wanted = len(batch.logit_rows_R)
        self._stage(inputs, TRUNK, batch, wanted)
        inputs.counts[4] = self._stage_table(inputs.full_table, batch.full_table_SM)
        inputs.counts[6] = batch.wants_hidden
        inputs.logit_rows[:wanted] = batch.logit_rows_R

    def _stage(self, inputs: Inputs, job: int, batch: Batch | DraftBatch, wanted: int) -> None:
        """Copy what both kinds of batches have into the staging arrays."""
        rows, sequences = len(batch.token_ids_T), len(batch.query_starts_S1) - 1
        check_fits(self, batch)
        inputs.counts[:4] = job, rows, sequences, wanted
        inputs.token_ids[:rows] = batch.token_ids_T
        inputs.positions[:rows] = batch.positions_T
        inputs.query_starts[: sequences + 1] = batch.query_starts_S1
        inputs.counts[5] = self._stage_table(inputs.sliding_table, batch.sliding_table_SM)

    @staticmethod
    def _stage_table(staging: NDArray[np.int32], table: NDArray[np.int32]) -> int:
        """Copy a block table and return its width (entries behind the model's last position are left out)."""
        width: int = min(table.shape[1], staging.shape[1])
        staging[: table.shape[0], :width] = table[:, :width]
        return width
