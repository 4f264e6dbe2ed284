"""Mixture of experts: sigmoid router with a selection-only bias, routed experts, one shared expert.

Shapes: T tokens, D width, E experts, K experts per token, F expert width, R = T * K routed rows.
"""

import torch
from torch import Tensor, nn

from flashstep.model.config import MoESpec
from flashstep.model.mlp import MLP, swiglu


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
        scores = torch.sigmoid(nn.functional.linear(x_TD.float(), self.weight.float()))
        ranked = scores.detach() + self.bias if self.spec.has_router_bias else scores.detach()
        expert_ids_TK = ranked.topk(self.spec.top_k, dim=-1).indices
        chosen = scores.gather(-1, expert_ids_TK)
        weights_TK = chosen / (chosen.sum(-1, keepdim=True) + 1e-20) * self.spec.routed_scale
        if self.training:
            self.load_E += torch.bincount(expert_ids_TK.flatten(), minlength=self.spec.num_experts)
        return expert_ids_TK, weights_TK

    def take_load(self) -> Tensor:
        """Tokens per expert [E] since the last call; resets the counters."""
        load = self.load_E.clone()
        self.load_E.zero_()
        return load


class Experts(nn.Module):
    """The routed experts as stacked weights [E, F, D] / [E, D, F], one matrix product per expert."""

    def __init__(self, d_model: int, spec: MoESpec) -> None:
        super().__init__()
        e, f = spec.num_experts, spec.expert_dim
        self.limit = spec.swiglu_limit
        self.gate_proj = nn.Parameter(torch.empty(e, f, d_model))
        self.up_proj = nn.Parameter(torch.empty(e, f, d_model))
        self.down_proj = nn.Parameter(torch.empty(e, d_model, f))

    def forward(self, rows_RD: Tensor, counts: list[int]) -> Tensor:
        """Rows sorted by expert, `counts[e]` of them for expert e -> outputs [R, D]."""
        linear = nn.functional.linear
        outputs = []
        # unbind: its backward writes each gradient once, indexing would sum E full tensors.
        weights = (w.unbind() for w in (self.gate_proj, self.up_proj, self.down_proj))
        for rows, gate, up, down in zip(rows_RD.split(counts), *weights, strict=True):
            outputs.append(linear(swiglu(linear(rows, gate), linear(rows, up), self.limit), down))
        return torch.cat(outputs)


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
        top_k = expert_ids_TK.shape[-1]
        order_R = expert_ids_TK.flatten().argsort(stable=True)
        token_R = order_R // top_k  # row r works for this token
        counts = torch.bincount(expert_ids_TK.flatten(), minlength=self.router.spec.num_experts).tolist()
        # index_select: the backward of plain indexing adds in the order in which threads arrive.
        rows_RD = x_TD.index_select(0, token_R)
        out_RD = self.experts(rows_RD, counts) * weights_TK.flatten()[order_R, None].to(x.dtype)
        routed = torch.zeros_like(x_TD).index_add(0, token_R, out_RD)
        return (routed + self.shared_expert(x_TD)).view_as(x)
