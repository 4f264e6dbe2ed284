"""The flat ragged batches that one engine step hands to the runner; no padding, no batch axis.

Every kind of work is one kind of batch: a sequence contributes `query_len` rows (n for a prefill
chunk, 1 for decode, 1 + drafts for verification). Shape letters: T rows of the batch, S sequences,
M blocks in a table row, R rows whose logits are wanted, J draft tokens, D width.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Int32 = NDArray[np.int32]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Batch:
    """One trunk forward pass. Row t of sequence s writes its K/V at its position, then attends.

    token_ids_T, positions_T: the rows, sequence after sequence, positions ascending by 1.
    query_starts_S1: first row of each sequence; last entry = T.
    full_table_SM, sliding_table_SM: block ids per sequence; position p lives in entry
        p // block_size at offset p % block_size; -1 = not allocated (or already released).
    logit_rows_R: ascending rows of T whose logits are wanted.
    wants_hidden: the hidden states of all rows are wanted, too; else the other rows end with the last layer's
        attention, for the sake of their keys and values.
    """

    token_ids_T: Int32
    positions_T: Int32
    query_starts_S1: Int32
    full_table_SM: Int32
    sliding_table_SM: Int32
    logit_rows_R: Int32
    wants_hidden: bool = True


@dataclass(frozen=True, slots=True)
class DraftBatch:
    """One pass of all MTP modules over rows whose trunk hidden state is known.

    Module k at row t (position t) reads the previous module's hidden state of row t and token
    x_{t+k}; so the token stream shifts left by one per module. `token_ids_T` is the stream for
    module 1 (row t holds x_{t+1}). Going from module k to k+1 each sequence's rows shift left
    and the last row receives `append_token_ids_SJ[s, k-1]`, or, where that is -1, the token that
    module k just drafted at that sequence's last row. Example for one sequence with rows of
    x_3, x_4 and sampled x_5: token_ids = [x_4, x_5], append = [-1, -1, -1]; module 2 then reads
    [x_5, d_1] and module 3 [d_1, d_2].

    hidden_TD: trunk hidden before the final norm, for these rows. K/V of module k is written into
    the sliding pool's slots of the same positions (each module is one more sliding layer).
    """

    token_ids_T: Int32
    positions_T: Int32
    query_starts_S1: Int32
    sliding_table_SM: Int32
    append_token_ids_SJ: Int32
    hidden_TD: Float32


@dataclass(frozen=True, slots=True)
class ForwardResult:
    """What a trunk pass returns: float32 logits of the wanted rows and the pre-norm hidden states of all
    rows, which a runner may leave out when they are not wanted. Both may be views of buffers that the next
    `forward` overwrites: copy to keep."""

    logits_RV: Float32
    hidden_TD: Float32


@dataclass(frozen=True, slots=True)
class Continuation:
    """How a batch goes on by itself, pass after pass, when all its sequences decode: with the token that each
    pass chooses, and with new drafts where the batch has as many of each sequence as there are MTP modules.

    num_passes: trunk passes at most, all of whose positions have blocks; a sequence that meets one of its
    stop ids ends the job. num_valid_tokens: ids from here on are never chosen. wishes_S4: 1 / temperature (0
    = greedy), top-k (0 = off), top-p, min-p. stop_ids_SM: filled up with -1. uniforms_SN: a number in [0, 1)
    for each token that may come. tails_SN: the newest known tokens, the newest last. histories: of
    sequences that draft, the hidden states of the final rows before the batch, as many as modules may have to
    compute again; None for others.
    """

    num_passes: int
    num_valid_tokens: int
    wishes_S4: Float64
    stop_ids_SM: Int32
    uniforms_SN: Float64
    tails_SN: Int32
    histories: list[Float32 | None]


@dataclass(frozen=True, slots=True)
class DecodeResult:
    """What the passes of a continued batch brought.

    token_ids: of each sequence, all chosen tokens. emitted: of each sequence, how many each pass chose.
    hidden_TD: hidden states of the last pass's rows, as in `ForwardResult`; histories: those of the final
    rows before it.
    """

    token_ids: list[list[int]]
    emitted: list[list[int]]
    hidden_TD: Float32
    histories: list[Float32]
