"""The mixture of experts beside its slow twin: one token and one expert at a time."""

import pytest
import torch

from flashstep.model import presets
from flashstep.model.config import ModelConfig
from flashstep.model.init import init_weights
from flashstep.model.mlp import swiglu
from flashstep.model.moe import MoE, count_experts
from flashstep.model.transformer import Transformer


@pytest.fixture(scope="module")
def moes() -> list[MoE]:
    """All mixtures of the toy model, those with clamps too."""
    model = Transformer(ModelConfig.from_hf(presets.toy()))
    init_weights(model)
    return [module for module in model.modules() if isinstance(module, MoE)]


def tokens(num: int) -> torch.Tensor:
    return torch.randn(num, 64, generator=torch.Generator().manual_seed(1))


def one_by_one(moe: MoE, x_TD: torch.Tensor) -> torch.Tensor:
    ids_TK, weights_TK = moe.router(x_TD)
    experts, rows = moe.experts, []
    for x, ids, weights in zip(x_TD, ids_TK.tolist(), weights_TK, strict=True):
        row = moe.shared_expert(x)
        for e, weight in zip(ids, weights, strict=True):
            inner = swiglu(experts.gate_proj[e] @ x, experts.up_proj[e] @ x, experts.limit)
            row = row + weight * (experts.down_proj[e] @ inner)
        rows.append(row)
    return torch.stack(rows)


@pytest.mark.parametrize("num_tokens", [1, 2, 40])
def test_grouped_products_equal_one_token_and_expert_at_a_time(moes, num_tokens):
    """Few tokens leave experts without rows."""
    x_TD = tokens(num_tokens)
    for moe in moes:
        torch.testing.assert_close(moe(x_TD), one_by_one(moe, x_TD), rtol=0, atol=1e-5)


def test_the_gradients_are_those_of_the_slow_twin(moes):
    moe = moes[-1]
    found = []
    for mixture in (moe, lambda x: one_by_one(moe, x)):
        x_TD = tokens(20).requires_grad_()
        moe.zero_grad()
        (mixture(x_TD) * tokens(20)).sum().backward()
        found.append([x_TD.grad, *(p.grad.clone() for p in moe.parameters() if p.grad is not None)])
    for fast, slow in zip(*found, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("num_tokens", [1, 70])
def test_under_autocast_rows_that_fill_up_an_expert_change_nothing(moes, num_tokens):
    """bfloat16 rounds each number by at most 0.4%. A tight clamp then lets another gradient through, so
    gradients are compared where there is none."""
    for moe in moes:
        results = []
        for lowers in (False, True):
            x_TD = tokens(num_tokens).requires_grad_()
            with torch.autocast("cpu", torch.bfloat16, enabled=lowers):
                out_TD = moe(x_TD)
            out_TD.sum().backward()
            results.append((out_TD.float(), x_TD.grad))
        clamped = moe.experts.limit or moe.shared_expert.limit
        for exact, lowered in list(zip(*results, strict=True))[: 1 if clamped else 2]:
            assert (lowered - exact).norm() < 0.01 * exact.norm()


def test_every_choice_is_counted():
    counts_E = count_experts(torch.tensor([3, 0, 3, 3, 1]), 5)
    assert counts_E.tolist() == [1, 1, 0, 3, 0]
    assert counts_E.dtype == torch.int32
