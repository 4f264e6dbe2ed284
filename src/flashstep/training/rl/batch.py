"""A step's rollouts as rows for the trainer, with what belongs to each sampled token.

Shapes: N sampled tokens of all turns, in the order of the documents; M target tokens of some rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from flashstep.training.loss import targets
from flashstep.training.packing import Document, Rows, pack
from flashstep.training.rl.rollout import Rollout


@dataclass(frozen=True, slots=True)
class RolloutBatch:
    """`rows`: the turns, one document each, packed. Of each sampled token: engine_N, its log-probability when
    it was sampled; advantage_N, its rollout's; trajectory_N, its rollout's number. starts_D: where a
    document's tokens begin among the N; prompts_D: how many tokens of it are the prompt."""

    rows: list[Rows]
    engine_N: Tensor
    advantage_N: Tensor
    trajectory_N: Tensor
    starts_D: Tensor
    prompts_D: Tensor

    @property
    def num_tokens(self) -> int:
        """N."""
        return len(self.engine_N)

    def places(self, rows: Rows) -> tuple[Tensor, Tensor, Tensor]:
        """Of the targets of `rows`: flat row indices that predict them, the tokens, and their numbers among
        the N; all int64 [M]."""
        index_M, wanted_M = targets(rows, 0)
        document_M = rows.documents_BT.flatten()[index_M + 1]
        inside_M = rows.positions_BT.flatten()[index_M + 1] - self.prompts_D[document_M]
        return index_M, wanted_M, self.starts_D[document_M] + inside_M


def make_batch(
    trained: Sequence[tuple[Rollout, float]], row_tokens: Sequence[int], micro_batch_tokens: int
) -> RolloutBatch:
    """The batch of rollouts with their advantages; rows of at most `micro_batch_tokens` at a time."""
    turns = [(turn, number) for number, (rollout, _) in enumerate(trained) for turn in rollout.turns]
    lengths_D = torch.tensor([len(turn.token_ids) for turn, _ in turns])
    prompts = [len(turn.prompt_token_ids) for turn, _ in turns]
    documents = [
        Document((*turn.prompt_token_ids, *turn.token_ids), prompt)
        for (turn, _), prompt in zip(turns, prompts, strict=True)
    ]
    trajectory_N = torch.tensor([number for _, number in turns]).repeat_interleave(lengths_D)
    return RolloutBatch(
        rows=[part for rows in pack(documents, row_tokens) for part in rows.parts(micro_batch_tokens)],
        engine_N=torch.tensor([logprob for turn, _ in turns for logprob in turn.logprobs]),
        advantage_N=torch.tensor([advantage for _, advantage in trained])[trajectory_N],
        trajectory_N=trajectory_N,
        starts_D=lengths_D.cumsum(0) - lengths_D,
        prompts_D=torch.tensor(prompts),
    )
