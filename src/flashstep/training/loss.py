"""Cross-entropy of the trunk and of the MTP modules over masked tokens.

Shapes: B rows, T tokens, V vocabulary; M = number of target tokens.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from flashstep.model.transformer import Transformer
from flashstep.training.packing import Rows


def targets(rows: Rows, depth: int) -> tuple[Tensor, Tensor]:
    """Flat row indices whose prediction `depth` + 1 tokens ahead is trained, and those tokens.

    depth 0 is the trunk: with tokens [p q a b] and mask on a, b, rows of q and a predict a and b.
    Depth 1: row of p predicts a, row of q predicts b. Never across documents.
    """
    ahead = depth + 1
    valid = torch.zeros_like(rows.mask_BT)
    same = rows.documents_BT[:, ahead:] == rows.documents_BT[:, :-ahead]
    valid[:, :-ahead] = rows.mask_BT[:, ahead:] & same
    index_M = valid.flatten().nonzero().squeeze(1)
    return index_M, rows.tokens_BT.flatten()[index_M + ahead]


def trunk_loss(model: Transformer, rows: Rows, hidden: Tensor) -> tuple[Tensor, float]:
    """Mean cross-entropy over target tokens (float32) and the share of exact argmax hits."""
    index_M, wanted_M = targets(rows, 0)
    logits_MV = model.logits(hidden.flatten(0, 1).index_select(0, index_M)).float()
    hits = (logits_MV.detach().argmax(-1) == wanted_M).float().mean().item()
    return cross_entropy(logits_MV, wanted_M), hits


def mtp_losses(model: Transformer, rows: Rows, hidden: Tensor, depth: int) -> list[tuple[Tensor, float]]:
    """The same for each of the first `depth` MTP modules."""
    outputs = model.draft_hidden(rows.tokens_BT, hidden, rows.positions_BT, rows.documents_BT, depth)
    losses = []
    for k, output in enumerate(outputs, start=1):
        index_M, wanted_M = targets(rows, k)
        logits_MV = model.mtp[k - 1].logits(output.flatten(0, 1).index_select(0, index_M)).float()
        hits = (logits_MV.detach().argmax(-1) == wanted_M).float().mean().item()
        losses.append((cross_entropy(logits_MV, wanted_M), hits))
    return losses
