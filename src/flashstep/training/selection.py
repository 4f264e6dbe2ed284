"""Which documents are worth a step: those of which a model that is nearly done still gets a token wrong.

The model that judges is the one that the run began with, in the engine's int8: judging a document costs an
eighth of training on it, and as the judge never changes, a step's documents stay a function of the recipe,
the first weights and the step.
"""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch

from flashstep.engine.batch import Batch, Int32
from flashstep.engine.batch_builder import table_rows
from flashstep.engine.block_table import BlockTable
from flashstep.engine.runner import Runner
from flashstep.training.packing import Document

# Longer ones are mostly several questions about one text, which training reads once and the judge would not.
MOST_JUDGED_TOKENS = 1664
_MAX_BATCH_TOKENS, _MAX_SEQUENCES, _BLOCK_SIZE = 4096, 64, 16


class Judge:
    """A loaded model that says which documents it knows by heart."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the checkpoint folder `path`. It uses as many threads as torch: one in a process that makes
        batches ahead."""
        num_blocks = _MAX_BATCH_TOKENS // _BLOCK_SIZE + _MAX_SEQUENCES
        runner = Runner.load(
            path, num_threads=torch.get_num_threads(), block_size=_BLOCK_SIZE, num_full_blocks=num_blocks,
            num_sliding_blocks=num_blocks, max_batch_tokens=_MAX_BATCH_TOKENS, max_sequences=_MAX_SEQUENCES,
        )  # fmt: skip
        return cls(runner)

    def knows(self, documents: Sequence[Document]) -> list[bool]:
        """For each document, whether the best token is the right one wherever it is trained on. Those longer
        than MOST_JUDGED_TOKENS count as unknown."""
        short = [document for document in documents if len(document.token_ids) <= MOST_JUDGED_TOKENS]
        verdicts = iter([known for batch in _batches(short) for known in self._knows(batch)])
        return [len(d.token_ids) <= MOST_JUDGED_TOKENS and next(verdicts) for d in documents]

    def _knows(self, documents: Sequence[Document]) -> list[bool]:
        lengths = [len(d.token_ids) for d in documents]
        starts_S1 = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
        tokens_T = np.concatenate([np.array(d.token_ids, np.int32) for d in documents])
        # The row before a trained token foretells it; a document's first token is never trained.
        rows_R = np.flatnonzero(np.concatenate([d.loss_mask for d in documents])).astype(np.int32) - 1
        table_SM = _tables(lengths)
        result = self._runner.forward(
            Batch(
                token_ids_T=tokens_T,
                positions_T=np.concatenate([np.arange(n, dtype=np.int32) for n in lengths]),
                query_starts_S1=starts_S1,
                full_table_SM=table_SM,
                sliding_table_SM=table_SM,
                logit_rows_R=rows_R,
                wants_hidden=False,
            )
        )
        is_wrong_R = result.logits_RV.argmax(1) != tokens_T[rows_R + 1]
        owners_R = np.searchsorted(starts_S1, rows_R, side="right") - 1
        return [not bad for bad in np.bincount(owners_R[is_wrong_R], minlength=len(documents))]


def select(
    groups: Sequence[Sequence[Document]], judge: Judge, known_share: float, seed: str
) -> list[list[Document]]:
    """The documents of `groups` that `judge` gets wrong, and of the others the share `known_share`, drawn by
    `seed`; all of them, should nothing be left. Groups of which nothing is left are left out."""
    verdicts = judge.knows([document for group in groups for document in group])
    rng = random.Random(seed)
    draws = [rng.random() for _ in verdicts]  # one for each, so that no verdict moves the draws behind it
    is_kept = iter([not known or draw < known_share for known, draw in zip(verdicts, draws, strict=True)])
    selected = [[document for document in group if next(is_kept)] for group in groups]
    return [group for group in selected if group] or [list(group) for group in groups]


def _batches(documents: Sequence[Document]) -> Iterator[list[Document]]:
    """Documents in their order, as many at a time as a batch holds."""
    batch: list[Document] = []
    for document in documents:
        num_tokens = sum(len(d.token_ids) for d in batch) + len(document.token_ids)
        if batch and (num_tokens > _MAX_BATCH_TOKENS or len(batch) == _MAX_SEQUENCES):
            yield batch
            batch = []
        batch.append(document)
    if batch:
        yield batch


def _tables(lengths: Sequence[int]) -> Int32:
    """Block tables of sequences that lie one behind the other."""
    tables, first = [], 0
    for length in lengths:
        end = first - (-length // _BLOCK_SIZE)
        tables.append(BlockTable())
        tables[-1].append(list(range(first, end)))
        first = end
    return table_rows(tables)
