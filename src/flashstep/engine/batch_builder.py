"""Turns the scheduler's plan into the flat arrays of one forward pass.

Keeps: the sum of query lengths is the length of every _T array and at most the token budget.
"""

from dataclasses import dataclass

import numpy as np

from flashstep.engine.batch import Batch, Int32
from flashstep.engine.block_table import BlockTable
from flashstep.engine.sequence import Sequence


@dataclass(frozen=True, slots=True)
class Share:
    """What one sequence computes in one step: `query_len` rows, the last `num_drafts` of them
    drafts. Logits are wanted only when all its known tokens are computed by then."""

    sequence: Sequence
    query_len: int
    num_drafts: int
    wants_logits: bool

    @property
    def scored_positions(self) -> range:
        """Rows whose logits score the prompt's next token; empty unless the request wants that.

        Rows that were scored before a preemption are not scored again. Holds until the sequence
        moves on.
        """
        seq = self.sequence
        if seq.params.prompt_logprobs is None:
            return range(0)
        first = max(seq.num_computed_tokens, len(seq.prompt_logprobs))
        return range(first, min(seq.num_computed_tokens + self.query_len, seq.num_prompt_tokens - 1))


def build_batch(plan: list[Share]) -> Batch:
    """The forward pass that computes `plan`, sequence after sequence."""
    token_ids: list[int] = []
    positions: list[int] = []
    starts = [0]
    logit_rows: list[int] = []
    for share in plan:
        seq = share.sequence
        first = seq.num_computed_tokens
        end = starts[-1] + share.query_len
        token_ids += seq.token_ids[first : first + share.query_len - share.num_drafts]
        token_ids += seq.draft_token_ids[: share.num_drafts]
        positions += range(first, first + share.query_len)
        logit_rows += (starts[-1] - first + position for position in share.scored_positions)
        if share.wants_logits:
            logit_rows += range(end - 1 - share.num_drafts, end)
        starts.append(end)
    return Batch(
        token_ids_T=np.array(token_ids, np.int32),
        positions_T=np.array(positions, np.int32),
        query_starts_S1=np.array(starts, np.int32),
        full_table_SM=table_rows([share.sequence.full_table for share in plan]),
        sliding_table_SM=table_rows([share.sequence.sliding_table for share in plan]),
        logit_rows_R=np.array(logit_rows, np.int32),
        wants_hidden=any(share.sequence.num_drafts > 0 for share in plan),
    )


def table_rows(tables: list[BlockTable]) -> Int32:
    """The tables side by side, [S, M], shorter ones filled up with -1."""
    width = max(table.num_blocks for table in tables)
    if len(tables) == 1:
        return tables[0].row(width)[None, :]
    return np.concatenate([table.row(width) for table in tables]).reshape(-1, width)
