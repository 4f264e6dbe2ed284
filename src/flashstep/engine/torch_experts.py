"""Routed experts without a wait for the device: rows sorted by expert, then one grouped product per matrix.

The module's own forward counts the rows of each expert on the host, which a CUDA graph cannot hold. Needs
torch 2.10. Its kernel for bfloat16 on NVIDIA devices of compute capability 9 and 10 takes the counts from
device memory; elsewhere torch falls back to one product per expert, and for other types on CUDA devices
there is nothing to fall back to. Shape letters: T tokens, K experts per token, R = T * K routed rows,
E experts, D width, F expert width.
"""

import torch
from torch import Tensor
from torch.nn.functional import grouped_mm

from flashstep.model.mlp import swiglu
from flashstep.model.moe import Experts, MoE


def mix_experts(moe: MoE, x_TD: Tensor) -> Tensor:
    """What `moe` returns, routed and shared experts together: [T, D]."""
    if x_TD.is_cuda and x_TD.dtype != torch.bfloat16:
        return moe(x_TD)
    expert_ids_TK, weights_TK = moe.router(x_TD)
    ids_R = expert_ids_TK.flatten()
    order_R = ids_R.argsort(stable=True)
    token_R = order_R // expert_ids_TK.shape[-1]
    rows_RD = routed_rows(moe.experts, x_TD.index_select(0, token_R), _ends(ids_R, moe))
    weighted_RD = rows_RD * weights_TK.flatten().index_select(0, order_R).unsqueeze(-1).to(x_TD.dtype)
    # Back in the tokens' order and summed there: adding by index would add in any order on a GPU.
    unsorted_RD = torch.empty_like(weighted_RD).index_copy_(0, order_R, weighted_RD)
    return unsorted_RD.unflatten(0, expert_ids_TK.shape).sum(1) + moe.shared_expert(x_TD)


def routed_rows(experts: Experts, rows_RD: Tensor, ends_E: Tensor) -> Tensor:
    """Rows sorted by expert, expert e's last one before `ends_E[e]` (int32) -> outputs [R, D]."""
    gate_RF = grouped_mm(rows_RD, experts.gate_proj.mT, offs=ends_E)
    up_RF = grouped_mm(rows_RD, experts.up_proj.mT, offs=ends_E)
    return grouped_mm(swiglu(gate_RF, up_RF, experts.limit), experts.down_proj.mT, offs=ends_E)


def _ends(ids_R: Tensor, moe: MoE) -> Tensor:
    """End of each expert's rows, int32 [E]; the counts are no bincount, which waits for the device."""
    counts_E = torch.zeros(moe.router.spec.num_experts, dtype=torch.int32, device=ids_R.device)
    counts_E.scatter_add_(0, ids_R, torch.ones_like(ids_R, dtype=torch.int32))
    return counts_E.cumsum(0, dtype=torch.int32)
