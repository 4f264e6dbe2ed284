"""MTP drafting and the rule that verifies drafts.

`verify` is the lossless simple rule: a draft is kept while it equals the target's own choice,
greedy or sampled, so drafting never changes an answer, only the number of steps. That includes
penalties and logprobs. Alignment of the modules: see `DraftBatch`.
"""

from collections.abc import Iterable
from collections.abc import Sequence as Ordered
from typing import NamedTuple

import numpy as np

from flashstep.engine.batch import DraftBatch, Float32
from flashstep.engine.batch_builder import Share, table_rows
from flashstep.engine.draft_policy import DraftPolicy
from flashstep.engine.runner_protocol import RunnerProtocol
from flashstep.engine.sequence import MtpView, Sequence

KEPT_ROWS = 8  # rows that the modules see when they begin; at least one more than can be drafted


class _StepSize(NamedTuple):
    num_drafts: int
    num_decoding: int
    num_context: int


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


class _Piece(NamedTuple):
    """What one sequence adds to a draft pass: its rows from `first` on; it began at `start`."""

    sequence: Sequence
    start: int
    first: int

    @property
    def num_rows(self) -> int:
        return self.sequence.num_computed_tokens - self.first


class Drafter:
    """Runs MTP modules over the newest rows of the sequences that decode, and hands out drafts.

    A sequence may begin to draft at any row: its modules then see its newest `KEPT_ROWS` rows and what
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
        self._size = _StepSize(0, 0, 0)
        self._has_begun = False

    def note(self, seq: Sequence, hidden_TD: Float32) -> None:
        """Remember the trunk's hidden states of the rows up to the computed ones that became final."""
        if seq.num_drafts == 0:
            return
        num_old = KEPT_ROWS - len(hidden_TD)
        if num_old <= 0 or seq.history_TD is None:
            seq.history_TD = hidden_TD[-KEPT_ROWS:].copy()
        else:
            seq.history_TD = np.concatenate((seq.history_TD[-num_old:], hidden_TD))

    def propose(self, running: list[Sequence]) -> int:
        """Draft for the next step of `running`, setting their `draft_token_ids`; returns the number of
        drafts that was chosen."""
        self._has_begun = False
        decoding = [seq for seq in running if seq.is_decoding]
        drafting = [seq for seq in decoding if seq.history_TD is not None and seq.max_useful_drafts > 0]
        num_context = sum(seq.num_tokens for seq in decoding)
        num_drafts = self._choose(drafting, len(decoding), num_context)
        self._size = _StepSize(num_drafts, len(decoding), num_context)
        if num_drafts > 0:
            self._draft(drafting, num_drafts)
        return num_drafts

    def count(self, seq: Sequence, num_accepted: int) -> None:
        """Tell the policy how many of the sequence's drafts were kept; before they are dropped."""
        if seq.draft_token_ids:
            self._policy.count(seq, len(seq.draft_token_ids), num_accepted)

    def time(self, plan: list[Share], seconds: float) -> None:
        """Tell the policy how long the whole step took, `propose` included, if it was a usual one."""
        num_drafts, num_decoding, num_context = self._size
        is_usual = len(plan) == num_decoding and not self._has_begun
        if is_usual and all(x.num_drafts == num_drafts and x.query_len == 1 + num_drafts for x in plan):
            self._policy.time(num_drafts, num_decoding, num_context, seconds)

    def _choose(self, drafting: list[Sequence], num_decoding: int, num_context: int) -> int:
        is_crowd = self._max_sequences is not None and num_decoding > self._max_sequences
        if is_crowd or not drafting:
            return 0
        wanted = self._policy.choose(drafting, num_decoding, num_context)
        return min(wanted, max(seq.max_useful_drafts for seq in drafting))

    def _draft(self, drafting: list[Sequence], num_modules: int) -> None:
        pieces: list[_Piece] = []
        num_rows = 0
        for seq in drafting:
            piece = _piece(seq, num_modules, self._runner.window_tokens, self._runner.block_size)
            num_rows += piece.num_rows
            if num_rows > self._runner.max_batch_tokens:
                break  # the others take their turn when this one is through its beginning
            pieces.append(piece)
        drafts_SJ = self._runner.draft(_build(pieces, num_modules))
        for piece, drafts in zip(pieces, drafts_SJ.tolist(), strict=True):
            seq = piece.sequence
            seq.mtp_view = MtpView(piece.start, seq.num_computed_tokens, drafts)
            seq.draft_token_ids = drafts[: seq.max_useful_drafts]
        self._has_begun = any(piece.start == piece.first for piece in pieces)


def _piece(seq: Sequence, num_modules: int, window_tokens: int, block_size: int) -> _Piece:
    """Go on where the modules stopped, if all that takes is still there; otherwise begin anew."""
    assert seq.history_TD is not None, "only sequences with hidden states draft"
    oldest_block = seq.sliding_table.num_released * block_size
    oldest = max(oldest_block, seq.num_computed_tokens - len(seq.history_TD))
    view = seq.mtp_view
    if view is not None and len(view.draft_token_ids) >= num_modules:
        # Module k read the first k - 1 guesses; where one was wrong, its last rows are computed again.
        first = min(view.end, view.end + _num_true(seq, view) + 1 - num_modules)
        if first >= oldest and max(view.start, first - window_tokens + 1) >= oldest_block:
            return _Piece(seq, view.start, first)
    return _Piece(seq, oldest, oldest)


def _num_true(seq: Sequence, view: MtpView) -> int:
    """Leading drafts of that pass that are now known to have been right."""
    known = seq.token_ids[view.end + 1 :]
    pairs = zip(known, view.draft_token_ids, strict=False)
    return next((i for i, (x, draft) in enumerate(pairs) if x != draft), min(len(known), len(view.draft_token_ids)))


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
        assert seq.history_TD is not None, "only sequences with hidden states draft"
        hidden.append(seq.history_TD[first - end :])
    return DraftBatch(
        token_ids_T=np.array(token_ids, np.int32),
        positions_T=np.array(positions, np.int32),
        query_starts_S1=np.array(starts, np.int32),
        sliding_table_SM=table_rows([piece.sequence.sliding_table for piece in pieces]),
        first_positions_S=np.array([piece.start for piece in pieces], np.int32),
        num_modules=num_modules,
        hidden_TD=hidden[0] if len(hidden) == 1 else np.concatenate(hidden),
    )
