"""Mixture of experts: sigmoid router with a selection-only bias, routed experts, one shared expert.

Nothing here waits for the host on a GPU, so that a step can be recorded as a CUDA graph. Shapes: T tokens,
D width, E experts, K experts per token, F expert width, R = T * K routed rows.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import grouped_mm

from flashstep.model.config import MoESpec
from flashstep.model.mlp import MLP, swiglu
from flashstep.model.precision import product_dtype


def count_experts(expert_ids_R: Tensor, num_experts: int) -> Tensor:
    """How often each expert was chosen, int32 [E]. No bincount: that waits for the device."""
    counts_E = torch.zeros(num_experts, dtype=torch.int32, device=expert_ids_R.device)
    return counts_E.scatter_add_(0, expert_ids_R, torch.ones_like(expert_ids_R, dtype=torch.int32))


class Router(nn.Module):
    """Chooses experts by sigmoid score + bias; weighs them by the score alone.

    All in float32 whatever the model's dtype. `bias` is no trained weight: the balancing rule
    of the training loop moves it. `load_E` counts the tokens each expert got since
    `take_load`, while training.
    """

    load_E: Tensor

    def __init__(self, d_model: int, spec: MoESpec) -> None:
        super().__init__()
        self.spec = spec
        self.weight = nn.Parameter(torch.empty(spec.num_experts, d_model))
        if spec.has_router_bias:
            self.bias = nn.Parameter(torch.zeros(spec.num_experts), requires_grad=False)
        self.register_buffer("load_E", torch.zeros(spec.num_experts), persistent=False)

    def forward(self, x_TD: Tensor) -> tuple[Tensor, Tensor]:
        """-> expert ids int64 [T, K] and their weights float32 [T, K], summing to `routed_scale`."""
        with torch.autocast(x_TD.device.type, enabled=False):
            scores = torch.sigmoid(nn.functional.linear(x_TD.float(), self.weight.float()))
        ranked = scores.detach() + self.bias if self.spec.has_router_bias else scores.detach()
        expert_ids_TK = ranked.topk(self.spec.top_k, dim=-1).indices
        chosen = scores.gather(-1, expert_ids_TK)
        weights_TK = chosen / (chosen.sum(-1, keepdim=True) + 1e-20) * self.spec.routed_scale
        if self.training:
            self.load_E += count_experts(expert_ids_TK.flatten(), self.spec.num_experts)
        return expert_ids_TK, weights_TK

    def take_load(self) -> Tensor:
        """Tokens per expert [E] since the last call; resets the counters."""
        load = self.load_E.clone()
        self.load_E.zero_()
        return load


class Experts(nn.Module):
    """The routed experts as stacked weights [E, F, D] / [E, D, F], a grouped product for each stack."""

    def __init__(self, d_model: int, spec: MoESpec) -> None:
        super().__init__()
        e, f = spec.num_experts, spec.expert_dim
        self.limit = spec.swiglu_limit
        self.gate_proj = nn.Parameter(torch.empty(e, f, d_model))
        self.up_proj = nn.Parameter(torch.empty(e, f, d_model))
        self.down_proj = nn.Parameter(torch.empty(e, d_model, f))

    def forward(self, rows_RD: Tensor, counts_E: Tensor) -> Tensor:
        """Rows sorted by expert, `counts_E[e]` (int32) of them for expert e -> outputs [R, D]."""
        if rows_RD.device.type == "cpu" and rows_RD.dtype == torch.bfloat16:
            place_R, padded_E = _spread(counts_E)
            spread_RD = rows_RD.new_zeros(int(padded_E.sum()), rows_RD.shape[1])
            return self._compute(spread_RD.index_copy(0, place_R, rows_RD), padded_E).index_select(0, place_R)
        return self._compute(rows_RD, counts_E)

    def _compute(self, rows_RD: Tensor, counts_E: Tensor) -> Tensor:
        ends_E = counts_E.cumsum(0, dtype=torch.int32)
        gate_RF = _grouped_linear(rows_RD, self.gate_proj, ends_E)
        up_RF = _grouped_linear(rows_RD, self.up_proj, ends_E)
        return _grouped_linear(swiglu(gate_RF, up_RF, self.limit), self.down_proj, ends_E)


def _grouped_linear(rows: Tensor, weight_E: Tensor, ends_E: Tensor) -> Tensor:
    """Each expert's rows times its transposed matrix."""
    weight_E = weight_E.to(rows.dtype)
    if rows.is_cuda and rows.dtype != torch.bfloat16:  # a type that torch has no grouped kernel for
        parts = rows.split(ends_E.diff(prepend=ends_E.new_zeros(1)).tolist())
        return torch.cat([part @ weight.mT for part, weight in zip(parts, weight_E.unbind(), strict=True)])
    return grouped_mm(rows, weight_E.mT, offs=ends_E)


# oneDNN, which multiplies bfloat16 on the CPU, compiles a kernel for every number of rows that it has not
# seen; with this multiple it has soon seen them all.
_ROW_MULTIPLE = 64


def _spread(counts_E: Tensor) -> tuple[Tensor, Tensor]:
    """Where each of R rows sorted by expert goes, int64 [R], when every expert's share is filled up to a
    multiple of rows; and the filled-up counts [E]. Counts 2, 3 and a multiple of 4: 0 1 4 5 6, and 4, 4."""
    padded_E = (counts_E + _ROW_MULTIPLE - 1) // _ROW_MULTIPLE * _ROW_MULTIPLE
    shift_E = (padded_E - counts_E).cumsum(0) - (padded_E - counts_E)
    place_R = torch.arange(int(counts_E.sum())) + shift_E.repeat_interleave(counts_E)
    return place_R, padded_E


class MoE(nn.Module):
    """Routed(x) + Shared(x)."""

    def __init__(self, d_model: int, spec: MoESpec) -> None:
        super().__init__()
        self.router = Router(d_model, spec)
        self.experts = Experts(d_model, spec)
        self.shared_expert = MLP(d_model, spec.shared_dim, spec.shared_swiglu_limit)

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., D]."""
        x_TD = x.reshape(-1, x.shape[-1])
        expert_ids_TK, weights_TK = self.router(x_TD)
        ids_R = expert_ids_TK.flatten()
        order_R = ids_R.argsort(stable=True)
        # index_select: on the CPU the backward of plain indexing adds in the order in which threads arrive.
        rows_RD = x_TD.to(product_dtype(x)).index_select(0, order_R // expert_ids_TK.shape[-1])
        out_RD = self.experts(rows_RD, count_experts(ids_R, self.router.spec.num_experts))
        weighted_RD = out_RD * weights_TK.flatten().index_select(0, order_R).unsqueeze(-1).to(x.dtype)
        # Back in the tokens' order and summed there: adding by index would add in any order on a GPU.
        unsorted_RD = torch.empty_like(weighted_RD).index_copy(0, order_R, weighted_RD)
        return (unsorted_RD.unflatten(0, expert_ids_TK.shape).sum(1) + self.shared_expert(x_TD)).view_as(x)
