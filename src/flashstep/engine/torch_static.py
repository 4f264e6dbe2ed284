"""Decode steps of fixed shape, padded, so that a CUDA graph can hold them: one launch instead of thousands.

A decode or verification batch, in which every sequence has the same few rows, is padded to the next shape
of a small set. Sequences that only pad own the spare blocks, and all their rows stand at position 0. The
graph of a shape is captured when it is first needed. Where there is no CUDA device the same step runs as
plain calls, which is how the tests run it; capturing itself was never run.
Shape letters: T rows, S sequences, Q rows of each, M blocks in a table row, V vocabulary, D width.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flashstep.engine.batch import Batch
from flashstep.engine.torch_cache import LayerCache
from flashstep.engine.torch_step import Pools, Step, inverse_tables, make_group, make_turns, trunk
from flashstep.model.transformer import Transformer

_MIN_BLOCKS = 64  # narrower tables share one graph
# Every sequence reads as much as the widest table: beyond so many blocks of all together, the ragged way
# is taken, where a short context does not pay for a long neighbour.
_MAX_BLOCKS = 1 << 14


class StaticShape(NamedTuple):
    """Sizes of one padded step."""

    num_sequences: int
    query_len: int
    num_blocks: int

    @classmethod
    def of(cls, batch: Batch, max_query_len: int) -> "StaticShape | None":
        """The smallest shape that holds `batch`; None for a ragged or too big batch, or a longer query."""
        lengths = np.diff(batch.query_starts_S1)
        query_len = int(lengths[0])
        if query_len > max_query_len or (lengths != query_len).any():
            return None
        num_sequences = _power_of_two(len(lengths))
        num_blocks = _power_of_two(
            max(_MIN_BLOCKS, batch.full_table_SM.shape[1], batch.sliding_table_SM.shape[1])
        )
        fits = num_sequences * num_blocks <= _MAX_BLOCKS
        return cls(num_sequences, query_len, num_blocks) if fits else None


class StaticStep:
    """The trunk and logits of all rows at one shape, over buffers that keep their addresses.

    graph_pool: a `torch.cuda.graph_pool_handle` that all shapes share, since only one graph runs at a time
    and its outputs are copied before the next; None on the CPU.
    """

    def __init__(
        self, model: Transformer, caches: Sequence[LayerCache], pools: Pools, shape: StaticShape,
        graph_pool: Any,
    ) -> None:  # fmt: skip
        self._model, self._caches, self._pools, self._shape = model, caches, pools, shape
        self._device, self._graph_pool = model.embedding.weight.device, graph_pool
        self._inverse = inverse_tables(model.config.layers, self._device)
        num_sequences, query_len, num_blocks = shape
        self._inputs = {
            "token_ids": self._buffer(num_sequences, query_len),
            "positions": self._buffer(num_sequences, query_len),
            "full_table": self._buffer(num_sequences, num_blocks),
            "sliding_table": self._buffer(num_sequences, num_blocks),
        }
        self._graph: torch.cuda.CUDAGraph | None = None
        self._outputs: tuple[Tensor, Tensor] | None = None

    def run(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits [T, V] and pre-norm hidden states [T, D] of a batch that has this shape."""
        self._stage(batch)
        if self._device.type != "cuda":
            logits, hidden = self._compute()
        else:
            with torch.cuda.device(self._device):  # captures happen on the thread's current device
                logits, hidden = self._replay()
        num_rows = len(batch.token_ids_T)
        return logits[:num_rows], hidden[:num_rows]

    def _buffer(self, *shape: int) -> Tensor:
        return torch.zeros(shape, dtype=torch.int64, device=self._device)

    def _stage(self, batch: Batch) -> None:
        """Copy the batch into the buffers, padded."""
        query_len = self._shape.query_len
        self._fill("token_ids", batch.token_ids_T.reshape(-1, query_len), 0)
        self._fill("positions", batch.positions_T.reshape(-1, query_len), 0)
        self._fill("full_table", batch.full_table_SM, self._pools.num_full_blocks)
        self._fill("sliding_table", batch.sliding_table_SM, self._pools.num_sliding_blocks)

    def _fill(self, name: str, values: NDArray[np.int32], padding: int) -> None:
        buffer = self._inputs[name]
        padded = np.full(buffer.shape, padding, np.int64)
        padded[: values.shape[0], : values.shape[1]] = values
        buffer.copy_(torch.from_numpy(padded))

    def _compute(self) -> tuple[Tensor, Tensor]:
        """The step itself; reads the buffers only."""
        inputs, positions_SQ = self._inputs, self._inputs["positions"]
        tables = {
            layer.window_tokens: inputs["sliding_table" if layer.is_sliding else "full_table"]
            for layer in self._model.config.layers
        }
        rows = torch.arange(positions_SQ.numel(), device=self._device)
        group = make_group(rows, positions_SQ, tables, self._pools)
        step = Step(make_turns(self._inverse, positions_SQ.flatten()), (group,))
        hidden_TD = trunk(self._model, inputs["token_ids"].flatten(), self._caches, step)
        return self._model.logits(hidden_TD), hidden_TD

    def _replay(self) -> tuple[Tensor, Tensor]:
        """Capture at first use, then launch the graph; outputs live until the next launch."""
        if self._graph is None:
            self._capture()
        assert self._graph is not None
        assert self._outputs is not None
        self._graph.replay()
        return self._outputs

    def _capture(self) -> None:
        """Run once on a side stream, so that lazily made workspaces exist, then record."""
        stream = torch.cuda.Stream(self._device)
        stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(stream):
            self._compute()
        torch.cuda.current_stream(self._device).wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, pool=self._graph_pool):
            self._outputs = self._compute()


def _power_of_two(at_least: int) -> int:
    return 1 << (at_least - 1).bit_length()
