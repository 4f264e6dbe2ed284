"""Builds `Batch` and `DraftBatch` by hand from whole sequences, for tests of the runner."""

from dataclasses import dataclass

import numpy as np

from flashstep.engine.batch import Batch, DraftBatch


@dataclass(frozen=True)
class Piece:
    """Rows of one sequence: its tokens from position `first` on, and its block ids in both pools."""

    token_ids: list[int]
    first: int
    full: list[int]
    sliding: list[int]


def ints(values):
    """int32 array."""
    return np.array(values, np.int32)


def table(rows):
    """Block ids of several sequences as one table, filled up with -1."""
    width = max(len(row) for row in rows)
    return ints([[*row, *[-1] * (width - len(row))] for row in rows])


def trunk_batch(pieces, wanted=None, *, wants_hidden=True):
    """A trunk batch; `wanted` rows of logits, None = all."""
    lengths = [len(p.token_ids) for p in pieces]
    return Batch(
        token_ids_T=ints([t for p in pieces for t in p.token_ids]),
        positions_T=ints([p.first + i for p in pieces for i in range(len(p.token_ids))]),
        query_starts_S1=ints([0, *np.cumsum(lengths)]),
        full_table_SM=table([p.full for p in pieces]),
        sliding_table_SM=table([p.sliding for p in pieces]),
        logit_rows_R=ints(range(sum(lengths)) if wanted is None else wanted),
        wants_hidden=wants_hidden,
    )


def draft_batch(pieces, hidden, append):
    """A draft batch over the rows of `pieces`, whose tokens are already the shifted stream."""
    trunk = trunk_batch(pieces)
    return DraftBatch(
        token_ids_T=trunk.token_ids_T,
        positions_T=trunk.positions_T,
        query_starts_S1=trunk.query_starts_S1,
        sliding_table_SM=trunk.sliding_table_SM,
        append_token_ids_SJ=ints(append),
        hidden_TD=hidden.astype(np.float32),
    )


def run_whole(runner, token_ids, full=(0, 1, 2), sliding=(0, 1, 2)):
    """Logits [T, V] and hidden states [T, D] of one sequence in a single pass, as copies."""
    return run_pieces(runner, [Piece(list(token_ids), 0, list(full), list(sliding))])


def run_pieces(runner, pieces):
    """Logits of all rows and hidden states of one pass, as copies."""
    result = runner.forward(trunk_batch(pieces))
    return result.logits_RV.copy(), result.hidden_TD.copy()


def run_in_chunks(runner, token_ids, lengths, full=(0, 1, 2), sliding=(0, 1, 2)):
    """Like `run_whole`, in passes of the given lengths."""
    logits, hidden, first = [], [], 0
    for length in lengths:
        part = Piece(list(token_ids[first : first + length]), first, list(full), list(sliding))
        result = run_pieces(runner, [part])
        logits.append(result[0])
        hidden.append(result[1])
        first += length
    assert first == len(token_ids), (first, len(token_ids))
    return np.concatenate(logits), np.concatenate(hidden)
