"""MTP drafting and the rule that verifies drafts.

`verify` is the lossless simple rule: a draft is kept while it equals the target's own choice,
greedy or sampled, so drafting never changes an answer, only the number of steps. That includes
penalties and logprobs. Alignment of the modules: see `DraftBatch`.
"""

import time
from collections.abc import Iterable
from collections.abc import Sequence as Ordered
from typing import NamedTuple

import numpy as np

from flashstep.engine.batch import DraftBatch, Float32
from flashstep.engine.batch_builder import Share, table_rows
from flashstep.engine.draft_policy import Choice, DraftPolicy
from flashstep.engine.runner_protocol import RunnerProtocol
from flashstep.engine.sequence import MtpView, Sequence


class Verdict(NamedTuple):
    """How many drafts were kept, and the target's own token behind them."""

    num_accepted: int
    bonus_token_id: int


def verify(choices: Iterable[int], draft_token_ids: Ordered[int]) -> Verdict:
    """Keep the longest prefix of drafts that the target chose itself.

    choices: the target's choice at each of the 1 + len(drafts) rows; only one more than accepted
    is read, so it may be lazy. Example: choices [4, 8, 5], drafts [4, 7] -> Verdict(1, 8).
    """
    for i, choice in enumerate(choices):
        if i == len(draft_token_ids) or choice != draft_token_ids[i]:
            return Verdict(i, choice)
    raise ValueError(f"fewer choices than 1 + {len(draft_token_ids)} drafts")


class _Timed(NamedTuple):
    num_drafts: int
    num_decoding: int
    num_context: int


class _Piece(NamedTuple):
    """What one sequence adds to a draft pass: its rows from `first` on; it began at `start`."""

    sequence: Sequence
    start: int
    first: int


class Drafter:
    """Runs MTP modules over the newest rows of the sequences that decode, and hands out drafts.

    A sequence may begin to draft at any row: its modules then see the rows of its `RowHistory` and what
    comes behind them. While it drafts step by step, a pass computes the rows that became final, and
    again those that had read a guess which turned out wrong. When too many rows were left out since, or
    more modules are wanted than ran before, it begins anew. So whoever does not draft pays for a copy of
    a few hidden states and nothing else, not even in prefill.

    max_sequences: while more decode, nobody drafts; None = no limit.
    """

    def __init__(self, runner: RunnerProtocol, policy: DraftPolicy, max_sequences: int | None = None) -> None:
        self._runner = runner
        self._policy = policy
        self._max_sequences = max_sequences
        self._choice = Choice(0, 0)
        self._num_held = self._held_for = 0
        self._timed: _Timed | None = None
        self._choosing_s = 0.0

    def propose(self, running: list[Sequence]) -> int:
        """Draft for the next step of `running`, setting their `draft_token_ids`; returns the number of
        drafts that was chosen."""
        self._num_held += 1
        if self._choice.num_drafts == 0 and self._is_held(len(running)):
            self._timed = None
            self._policy.rest()
            return 0
        decoding = [seq for seq in running if seq.is_decoding]
        drafting = [seq for seq in decoding if seq.hidden is not None and seq.max_useful_drafts > 0]
        num_context = sum(len(seq.token_ids) for seq in decoding)
        self._choosing_s = 0.0
        num_drafts = self._choose(drafting, len(decoding), num_context)
        self._timed = _Timed(num_drafts, len(decoding), num_context)
        if num_drafts > 0:
            self._draft(drafting, num_drafts)
        return num_drafts

    def count(self, seq: Sequence, num_accepted: int) -> None:
        """Tell the policy how many of the sequence's drafts (at least one) were kept."""
        self._policy.count(seq, len(seq.draft_token_ids), num_accepted)

    def time(self, plan: list[Share], seconds: float) -> None:
        """Tell the policy how long the whole step took, `propose` included, if it was a usual one."""
        timed = self._timed
        if timed is None or len(plan) != timed.num_decoding:
            return
        k = timed.num_drafts
        if all(share.num_drafts == k and share.query_len == 1 + k for share in plan):
            self._policy.time(*timed, seconds - self._choosing_s)

    def _choose(self, drafting: list[Sequence], num_decoding: int, num_context: int) -> int:
        is_crowd = self._max_sequences is not None and num_decoding > self._max_sequences
        if is_crowd or not drafting:
            return 0
        if not self._is_held(num_decoding):
            started_s = time.perf_counter()
            self._choice = self._policy.choose(drafting, num_decoding, num_context)
            self._num_held, self._held_for = 0, num_decoding
            self._choosing_s = time.perf_counter() - started_s
        return min(self._choice.num_drafts, max(seq.max_useful_drafts for seq in drafting))

    def _is_held(self, num_sequences: int) -> bool:
        """The last choice still counts."""
        return self._num_held < self._choice.num_steps and num_sequences == self._held_for

    def _draft(self, drafting: list[Sequence], num_modules: int) -> None:
        pieces = [self._piece(seq, num_modules, len(drafting)) for seq in drafting]
        drafts_SJ = self._runner.draft(_build(pieces, num_modules))
        for piece, drafts in zip(pieces, drafts_SJ.tolist(), strict=True):
            seq = piece.sequence
            seq.mtp_view = MtpView(piece.start, seq.num_computed_tokens, drafts)
            seq.draft_token_ids = drafts[: seq.max_useful_drafts]
            if piece.start == piece.first:
                self._timed = None  # modules that begin compute more rows than they will from now on

    def _piece(self, seq: Sequence, num_modules: int, num_pieces: int) -> _Piece:
        """Go on where the modules stopped, if all that takes is still there; otherwise begin anew."""
        assert seq.hidden is not None, "only sequences with hidden states draft"
        most = min(seq.hidden.num_rows, self._runner.max_batch_tokens // num_pieces)
        oldest_block = seq.sliding_table.num_released * self._runner.block_size
        oldest = max(oldest_block, seq.num_computed_tokens - most)
        view = seq.mtp_view
        if view is not None and len(view.draft_token_ids) >= num_modules:
            # Module k read the first k - 1 guesses; where one was wrong, its last rows come again.
            first = min(view.end, view.end + _num_true(seq, view) + 1 - num_modules)
            reads = max(view.start, first - self._runner.window_tokens + 1)
            if first >= oldest and reads >= oldest_block:
                return _Piece(seq, view.start, first)
        return _Piece(seq, oldest, oldest)


def _num_true(seq: Sequence, view: MtpView) -> int:
    """Leading drafts of that pass that are now known to have been right."""
    known = seq.token_ids[view.end + 1 : view.end + 1 + len(view.draft_token_ids)]
    num_true = 0
    for token_id, draft in zip(known, view.draft_token_ids, strict=False):
        if token_id != draft:
            break
        num_true += 1
    return num_true


def _build(pieces: list[_Piece], num_modules: int) -> DraftBatch:
    token_ids: list[int] = []
    positions: list[int] = []
    starts = [0]
    hidden: list[Float32] = []
    for seq, _, first in pieces:
        end = seq.num_computed_tokens
        token_ids += seq.token_ids[first + 1 : end + 1]
        positions += range(first, end)
        starts.append(starts[-1] + end - first)
        assert seq.hidden is not None, "only sequences with hidden states draft"
        hidden.append(seq.hidden.newest(end - first))
    return DraftBatch(
        token_ids_T=np.array(token_ids, np.int32),
        positions_T=np.array(positions, np.int32),
        query_starts_S1=np.array(starts, np.int32),
        sliding_table_SM=table_rows([piece.sequence.sliding_table for piece in pieces]),
        first_positions_S=np.array([piece.start for piece in pieces], np.int32),
        num_modules=num_modules,
        hidden_TD=hidden[0] if len(hidden) == 1 else np.concatenate(hidden),
    )
