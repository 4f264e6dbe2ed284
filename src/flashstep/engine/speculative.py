"""MTP drafting and the rule that verifies drafts.

`verify` is the lossless simple rule: a draft is kept while it equals the target's own choice,
greedy or sampled, so drafting never changes an answer, only the number of steps. That includes
penalties and logprobs. Alignment of the modules: see `DraftBatch`.
"""

from collections.abc import Iterable
from collections.abc import Sequence as Ordered
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from flashstep.engine.batch import DraftBatch, Float32
from flashstep.engine.batch_builder import table_rows
from flashstep.engine.runner_protocol import RunnerProtocol
from flashstep.engine.sequence import Sequence, SequenceStatus


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


@dataclass(slots=True)
class _Pending:
    """Rows of the last forward pass that are final and wait for the MTP modules, behind `num_stale` rows that
    these have to compute again."""

    sequence: Sequence
    first_position: int
    hidden_TD: Float32
    num_stale: int


class Drafter:
    """Runs the MTP modules over every row of the sequences that draft, and hands out drafts.

    Rows that read a guessed token may be wrong once the true one is known. They are among the last
    `num_stale_rows` ones of a sequence, whose trunk hidden states are kept: the last row reads that many
    drafts, the one before it one less. So each draft that was accepted proves one of them right, and the
    others are computed again. The same way, prefill fills the modules' caches chunk by chunk.

    Verifying costs a row per draft, which pays while few sequences share a step: when more than
    `max_sequences` run (None = no limit), those that draft stop for good, since rows that the modules
    did not see would leave holes in their caches.
    """

    def __init__(self, runner: RunnerProtocol, num_stale_rows: int, max_sequences: int | None = None) -> None:
        self._runner = runner
        self._max_sequences = max_sequences
        self._num_stale_rows = num_stale_rows
        self._pending: list[_Pending] = []
        self._hidden_TD: Float32 = np.empty((runner.max_batch_tokens, runner.config.d_model), np.float32)

    def note(self, seq: Sequence, num_rows: int, hidden_TD: Float32, num_accepted: int) -> None:
        """Remember that `num_rows` rows up to the computed ones became final, `num_accepted` of them drafts.
        A sequence that has no use for drafts any more stops drafting, since its blocks from here on lack
        what the modules would write.

        hidden_TD is a view of the pass that computed them: `propose` must run before the next.
        """
        if seq.max_useful_drafts > 0:
            num_stale = max(0, self._num_stale_rows - num_accepted)
            first_position = seq.num_computed_tokens - num_rows
            self._pending.append(_Pending(seq, first_position, hidden_TD[:num_rows], num_stale))
        else:
            seq.stop_drafting()

    def forget(self) -> None:
        """Let go of the noted rows, which share memory with the runner."""
        self._pending.clear()

    def propose(self, num_running: int) -> None:
        """Draft for all noted sequences that still run; sets their `draft_token_ids`.

        num_running: sequences that share the next step, whether they draft or not.
        """
        pending = [p for p in self._pending if p.sequence.status is SequenceStatus.RUNNING]
        self._pending.clear()
        if self._max_sequences is not None and num_running > self._max_sequences:
            for item in pending:
                item.sequence.stop_drafting()
            return
        if not pending:
            return
        drafts_SJ = self._runner.draft(self._build(pending))
        for item, drafts in zip(pending, drafts_SJ.tolist(), strict=True):
            seq = item.sequence
            if seq.is_decoding:
                seq.draft_token_ids = drafts[: seq.max_useful_drafts]

    def _build(self, pending: list[_Pending]) -> DraftBatch:
        num_modules = self._runner.max_drafts
        token_ids: list[int] = []
        positions: list[int] = []
        starts = [0]
        appends: list[list[int]] = []
        for item in pending:
            seq = item.sequence
            end = seq.num_computed_tokens
            first = self._add_hidden(item, starts[-1])
            token_ids += seq.token_ids[first + 1 : end + 1]
            positions += range(first, end)
            starts.append(starts[-1] + end - first)
            known = seq.token_ids[end + 1 : end + 1 + num_modules]
            appends.append(known + [-1] * (num_modules - len(known)))
        seqs = [p.sequence for p in pending]
        return DraftBatch(
            token_ids_T=np.array(token_ids, np.int32),
            positions_T=np.array(positions, np.int32),
            query_starts_S1=np.array(starts, np.int32),
            sliding_table_SM=table_rows([s.sliding_table for s in seqs]),
            append_token_ids_SJ=np.array(appends, np.int32),
            hidden_TD=self._hidden_TD[: starts[-1]],
        )

    def _add_hidden(self, item: _Pending, start: int) -> int:
        """Write stale and new rows from row `start` on; returns the position of the first one."""
        seq, new_TD = item.sequence, item.hidden_TD
        num_history = 0 if seq.history_TD is None else min(len(seq.history_TD), item.num_stale)
        end = start + num_history + len(new_TD)
        if seq.history_TD is not None and num_history:
            self._hidden_TD[start : start + num_history] = seq.history_TD[-num_history:]
        self._hidden_TD[start + num_history : end] = new_TD
        seq.history_TD = self._hidden_TD[max(start, end - self._num_stale_rows) : end].copy()
        return item.first_position - num_history
