"""Runs batches through the PyTorch modules of `model/`: the way onto a GPU, and a second engine on the CPU.

A runner like `engine/runner.py`, with weights in bfloat16 or float32 and K/V in the same type; experts may
have 4 or 8 bits instead (`torch_experts.py`), with which the official weights fit one large device.
It is developed on the CPU device; nothing of it has run on a CUDA device yet.
Shape letters: T rows, S sequences, R wanted logit rows, J drafts, D width, V vocabulary.
"""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flashstep.engine.batch import Batch, DraftBatch, ForwardResult
from flashstep.engine.config import WeightFormat, model_window
from flashstep.engine.runner_protocol import check_fits, check_sizes
from flashstep.engine.torch_cache import new_layer_caches
from flashstep.engine.torch_device import DTYPES, captures_graphs, check_format, find_device
from flashstep.engine.torch_experts import BLOCKS, quantise_experts
from flashstep.engine.torch_static import StaticShape, StaticStep
from flashstep.engine.torch_step import (
    Group,
    Pools,
    Step,
    draft_chain,
    inverse_tables,
    make_group,
    make_turns,
    trunk,
)
from flashstep.model.transformer import Transformer
from flashstep.model.weights import load_model


class TorchRunner:
    """A loaded model with its K/V pools on one device; used from one thread at a time.

    pads_decode: batches whose sequences all have the same few rows run at padded fixed shapes, captured
    as CUDA graphs on a CUDA device; None = where the device can capture the whole step.
    """

    def __init__(
        self, model: Transformer, *, block_size: int = 16, num_full_blocks: int, num_sliding_blocks: int,
        max_batch_tokens: int, max_sequences: int, pads_decode: bool | None = None,
    ) -> None:  # fmt: skip
        """Allocate the pools beside the weights. ConfigError names a size below 1."""
        check_sizes(
            block_size=block_size, num_full_blocks=num_full_blocks, num_sliding_blocks=num_sliding_blocks,
            max_batch_tokens=max_batch_tokens, max_sequences=max_sequences,
        )  # fmt: skip
        config, weight = model.config, model.embedding.weight
        self.config = config
        self.block_size, self.max_batch_tokens = block_size, max_batch_tokens
        self.num_full_blocks, self.num_sliding_blocks = num_full_blocks, num_sliding_blocks
        self.max_drafts, self.max_sequences = len(config.mtp), max_sequences
        layers = (*config.layers, *config.mtp)
        self.window_tokens = model_window(config)
        self._model, self._device, self._dtype = model, weight.device, weight.dtype
        self._pools = Pools(block_size, num_full_blocks, num_sliding_blocks)
        self._caches = new_layer_caches(
            config, block_size, num_full_blocks, num_sliding_blocks, self._dtype, self._device
        )
        self._inverse = inverse_tables(layers, self._device)
        self._windows = {layer.window_tokens for layer in layers}
        self._pads_decode = captures_graphs(self._device, self._dtype) if pads_decode is None else pads_decode
        self._static_steps: dict[StaticShape, StaticStep] = {}
        self._graph_pool = torch.cuda.graph_pool_handle() if self._device.type == "cuda" else None

    @classmethod
    def load(
        cls, path: Path, *, weight_format: WeightFormat = "bf16", device: str | None = None,
        num_threads: int = 1, pads_decode: bool | None = None, **sizes: int,
    ) -> "TorchRunner":  # fmt: skip
        """Read `config.json` and the weights of folder `path`; ConfigError says what cannot work.

        weight_format: "bf16" or "float32", or of the experts "int4" or "fp8", beside bf16. device: see
        `find_device`. num_threads: of the CPU, for this whole process. sizes: the keyword arguments of the
        class.
        """
        found = find_device(device)
        check_format(found, weight_format)
        torch.set_num_threads(num_threads)
        model = load_model(path, DTYPES[weight_format], found, partial(_prepare, weight_format))
        return cls(model, pads_decode=pads_decode, **sizes)

    @torch.inference_mode()
    def forward(self, batch: Batch) -> ForwardResult:
        """Run the trunk: writes K/V of all rows, returns logits [R, V] and, if wanted, pre-norm hidden states
        [T, D].

        Raises ValueError for a batch that does not fit (rows, sequences, block ids, token ids).
        """
        self._check(batch)
        _check_ids("block", batch.full_table_SM, -1, self.num_full_blocks)
        shape = StaticShape.of(batch, 1 + self.max_drafts) if self._pads_decode else None
        wanted = self._upload(batch.logit_rows_R)
        if shape is not None:
            logits_TV, hidden_TD = self._static_step(shape).run(batch)
            logits_RV = logits_TV.index_select(0, wanted)
        else:
            tables = {window: self._table(batch, window) for window in self._windows}
            hidden_TD = trunk(
                self._model, self._upload(batch.token_ids_T), self._caches, self._step(batch, tables)
            )
            logits_RV = self._model.logits(hidden_TD.index_select(0, wanted))
        return ForwardResult(_download(logits_RV), _download(hidden_TD[: None if batch.wants_hidden else 0]))

    @torch.inference_mode()
    def draft(self, batch: DraftBatch) -> NDArray[np.int32]:
        """Run all MTP modules; returns their best tokens at each sequence's last row, int32 [S, J]."""
        if self.max_drafts == 0:
            return np.zeros((len(batch.query_starts_S1) - 1, 0), np.int32)
        self._check(batch)
        tables = {layer.window_tokens: batch.sliding_table_SM for layer in self.config.mtp}
        hidden_TD = torch.from_numpy(batch.hidden_TD).to(self._device, self._dtype)
        drafts_SJ = draft_chain(
            self._model, self._upload(batch.token_ids_T), hidden_TD,
            self._upload(batch.append_token_ids_SJ), self._upload(batch.query_starts_S1[1:] - 1),
            self._caches, self._step(batch, tables),
        )  # fmt: skip
        return drafts_SJ.to("cpu", torch.int32).numpy()

    def close(self) -> None:
        """Let graphs, pools and weights go; the runner must not be used afterwards."""
        self._static_steps.clear()
        self._caches.clear()
        del self._model

    def _step(self, batch: Batch | DraftBatch, tables: dict[int | None, NDArray[np.int32]]) -> Step:
        """Groups of sequences with the same number of rows and contexts of alike length, and the rotary
        tables of all rows. All of a group read as much as its longest, at most twice as much as needed."""
        starts, lengths = batch.query_starts_S1[:-1], np.diff(batch.query_starts_S1)
        last_positions = batch.positions_T[batch.query_starts_S1[1:] - 1]
        keys = np.stack([lengths, np.frexp(last_positions // self.block_size + 0.5)[1]])
        groups = []
        for key in np.unique(keys, axis=1).T:
            sequences = np.flatnonzero((keys == key[:, None]).all(axis=0))
            rows_SQ = starts[sequences, None] + np.arange(key[0])
            groups.append(self._group(batch, sequences, rows_SQ, tables))
        return Step(make_turns(self._inverse, self._upload(batch.positions_T)), groups)

    def _group(
        self, batch: Batch | DraftBatch, sequences: NDArray[np.intp], rows_SQ: NDArray[np.integer],
        tables: dict[int | None, NDArray[np.int32]],
    ) -> Group:  # fmt: skip
        positions_SQ = batch.positions_T[rows_SQ]
        width = int(positions_SQ.max()) // self.block_size + 1
        own = {window: self._upload(table[sequences, :width]) for window, table in tables.items()}
        return make_group(self._upload(rows_SQ.ravel()), self._upload(positions_SQ), own, self._pools)

    def _static_step(self, shape: StaticShape) -> StaticStep:
        if shape not in self._static_steps:
            self._static_steps[shape] = StaticStep(
                self._model, self._caches, self._pools, shape, self._graph_pool
            )
        return self._static_steps[shape]

    @staticmethod
    def _table(batch: Batch, window: int | None) -> NDArray[np.int32]:
        return batch.full_table_SM if window is None else batch.sliding_table_SM

    def _upload(self, values: NDArray[np.integer]) -> Tensor:
        return torch.from_numpy(values.astype(np.int64)).to(self._device)

    def _check(self, batch: Batch | DraftBatch) -> None:
        """A wrong index would end a CUDA process, so it is refused here."""
        check_fits(self, batch)
        _check_ids("token", batch.token_ids_T, 0, self.config.vocab_size)
        _check_ids("block", batch.sliding_table_SM, -1, self.num_sliding_blocks)


def _prepare(weight_format: WeightFormat, model: Transformer) -> None:
    if weight_format in BLOCKS:
        quantise_experts(model, weight_format)


def _check_ids(kind: str, ids: NDArray[np.int32], low: int, end: int) -> None:
    if ids.min() < low or ids.max() >= end:
        raise ValueError(f"a {kind} id is outside [{low}, {end})")


def _download(values: Tensor) -> NDArray[np.float32]:
    return values.to("cpu", torch.float32).numpy()
