"""A step's rollouts as rows for the trainer, with what belongs to each sampled token.

Shapes: N sampled tokens of all turns, in the order of the documents; M target tokens of some rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from flashstep.training.loss import targets
from flashstep.training.packing import Document, Rows
from flashstep.training.rl.rollout import Rollout, Turn
from flashstep.training.sharing import lay_out_trees, plant


@dataclass(frozen=True, slots=True)
class RolloutBatch:
    """`rows`: the turns, one document each, packed; those of one item share the beginning of their prompts
    where it is long. Of each sampled token: engine_N, its log-probability when it was sampled; advantage_N,
    its rollout's; trajectory_N, its rollout's number. starts_D: where a document's tokens begin among the N;
    prompts_D: how many tokens of it are the prompt. A beginning that is shared counts as a document without
    any of the N."""

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
    trained: Sequence[tuple[Rollout, float]], row_tokens: Sequence[int], micro_batch_tokens: int,
    window: int = 0,
) -> RolloutBatch:  # fmt: skip
    """The batch of rollouts with their advantages, siblings side by side; rows of at most
    `micro_batch_tokens` at a time. window: as in `pack_alike`."""
    turns = [(turn, number) for number, (rollout, _) in enumerate(trained) for turn in rollout.turns]
    lengths = torch.tensor([len(turn.token_ids) for turn, _ in turns])
    trajectory_N = torch.tensor([number for _, number in turns]).repeat_interleave(lengths)
    items = groupby((rollout for rollout, _ in trained), key=lambda rollout: id(rollout.item))
    groups = [[_document(turn) for rollout in siblings for turn in rollout.turns] for _, siblings in items]
    trees = plant(groups, row_tokens[-1], window)
    documents = [document for tree in trees for document in tree.numbered]
    lengths_D = torch.tensor([0 if d is None else len(d.token_ids) - d.prompt_tokens for d in documents])
    return RolloutBatch(
        rows=[p for rows in lay_out_trees(trees, row_tokens) for p in rows.parts(micro_batch_tokens)],
        engine_N=torch.tensor([logprob for turn, _ in turns for logprob in turn.logprobs]),
        advantage_N=torch.tensor([advantage for _, advantage in trained])[trajectory_N],
        trajectory_N=trajectory_N,
        starts_D=lengths_D.cumsum(0) - lengths_D,
        prompts_D=torch.tensor([0 if d is None else d.prompt_tokens for d in documents]),
    )


def _document(turn: Turn) -> Document:
    return Document((*turn.prompt_token_ids, *turn.token_ids), len(turn.prompt_token_ids))
