"""The slow twin of a runner's `decode`: one pass after the other with `forward` and `draft`, lists of
tokens."""

from dataclasses import dataclass, replace

import numpy as np

from flashstep.engine.batch import Batch, Continuation, DecodeResult, DraftBatch
from flashstep.types import SamplingParams
from naive.sample import choose


@dataclass
class Decoded:
    """One sequence: its position behind the computed rows, all that is known of its tokens, what came."""

    position: int
    known: list[int]
    history: np.ndarray
    params: SamplingParams
    uniforms: list[float]
    chosen: list[int]
    emitted: list[int]

    def verify(self, drafts: list[int], logits_JV) -> None:
        """Choose until a choice is not the draft."""
        count = 0
        for j, logits in enumerate(logits_JV):
            token_id = choose(logits, self.params, self.uniforms[len(self.chosen)])
            self.chosen.append(token_id)
            self.known.append(token_id)
            count += 1
            if j == len(drafts) or token_id != drafts[j]:
                break
        self.emitted.append(count)


def decode(runner, batch: Batch, going_on: Continuation) -> DecodeResult:
    """What `runner` would answer if it could go on by itself."""
    num_drafts = int(batch.query_starts_S1[1]) - 1
    drafts = batch.token_ids_T.reshape(-1, 1 + num_drafts)[:, 1:].tolist()
    sequences = [_sequence(batch, going_on, s, num_drafts) for s in range(len(drafts))]
    stop_ids = [set(row) for row in going_on.stop_ids_SM.tolist()]
    while True:
        result = runner.forward(batch)
        hidden = result.hidden_TD.copy()
        logits = result.logits_RV[:, : going_on.num_valid_tokens].reshape(len(sequences), 1 + num_drafts, -1)
        for s, sequence in enumerate(sequences):
            sequence.verify(drafts[s], logits[s])
        newest = (set(q.chosen[-q.emitted[-1] :]) & ids for q, ids in zip(sequences, stop_ids, strict=True))
        if any(newest) or len(sequences[0].emitted) == going_on.num_passes:
            return DecodeResult(
                token_ids=[q.chosen for q in sequences],
                emitted=[q.emitted for q in sequences],
                hidden_TD=hidden,
                histories=[q.history for q in sequences],
            )
        if num_drafts:
            drafts = runner.draft(_final_rows(runner, batch, sequences, hidden, 1 + num_drafts)).tolist()
        for sequence in sequences:
            sequence.position += sequence.emitted[-1]
        rows = [[q.known[-1], *d[:num_drafts]] for q, d in zip(sequences, drafts, strict=True)]
        positions = [[q.position + i for i in range(1 + num_drafts)] for q in sequences]
        batch = replace(
            batch,
            token_ids_T=np.array(rows, np.int32).reshape(-1),
            positions_T=np.array(positions, np.int32).reshape(-1),
        )


def _sequence(batch: Batch, going_on: Continuation, s: int, num_drafts: int) -> Decoded:
    scale, top_k, top_p, min_p = going_on.wishes_S4[s].tolist()
    params = SamplingParams(
        temperature=1 / scale if scale else 0.0, top_k=int(top_k), top_p=top_p, min_p=min_p
    )
    history = going_on.histories[s]
    return Decoded(
        position=int(batch.positions_T[s * (1 + num_drafts)]),
        known=going_on.tails_SN[s].tolist(),
        history=np.empty((0, 0), np.float32) if history is None else history,
        params=params,
        uniforms=going_on.uniforms_SN[s].tolist(),
        chosen=[],
        emitted=[],
    )


def _final_rows(runner, batch: Batch, sequences: list[Decoded], hidden, rows_each: int) -> DraftBatch:
    """What became final, behind the rows that modules had computed from guesses that were not proved
    right."""
    most_stale = runner.max_drafts - 1
    token_ids, positions, starts, rows = [], [], [0], []
    for s, sequence in enumerate(sequences):
        new = sequence.emitted[-1]
        num_stale = min(len(sequence.history), max(0, most_stale - (new - 1)))
        stale = sequence.history[len(sequence.history) - num_stale :]
        final = [*stale, *hidden[s * rows_each : s * rows_each + new]]
        sequence.history = np.array(final[max(0, len(final) - most_stale) :])
        rows += final
        token_ids += sequence.known[-len(final) :]
        positions += range(sequence.position - num_stale, sequence.position + new)
        starts.append(len(rows))
    return DraftBatch(
        token_ids_T=np.array(token_ids, np.int32),
        positions_T=np.array(positions, np.int32),
        query_starts_S1=np.array(starts, np.int32),
        sliding_table_SM=batch.sliding_table_SM,
        append_token_ids_SJ=np.full((len(sequences), runner.max_drafts), -1, np.int32),
        hidden_TD=np.array(rows, np.float32),
    )
