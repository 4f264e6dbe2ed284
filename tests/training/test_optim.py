"""Muon's orthogonalisation, the schedule, and which parameters go where."""

import pytest
import torch

from flashstep.errors import ConfigError
from flashstep.model import presets
from flashstep.model.config import ModelConfig
from flashstep.model.init import init_weights
from flashstep.model.transformer import Transformer
from flashstep.training.optim import Muon, make_optimizers, orthogonalize, schedule
from flashstep.training.recipe import Phase

PHASE = Phase(
    name="p", steps=100, documents_per_step=1, learning_rate=0.01, warmup_steps=10, decay_fraction=0.5
)


@pytest.mark.parametrize("shape", [(8, 8), (24, 8), (8, 24), (3, 16, 8)], ids=str)
def test_orthogonalize_pushes_singular_values_to_one_and_keeps_the_vectors(shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(x, full_matrices=False)
    torch.testing.assert_close(orthogonalize(x), u @ v, atol=0.05, rtol=0)


def test_muon_treats_stacked_experts_one_by_one():
    generator = torch.Generator().manual_seed(1)
    stacked = torch.nn.Parameter(torch.randn(3, 8, 6, generator=generator))
    alone = [torch.nn.Parameter(part.clone()) for part in stacked.detach()]
    stacked.grad = torch.randn(3, 8, 6, generator=generator)
    for p, grad in zip(alone, stacked.grad, strict=True):
        p.grad = grad.clone()
    Muon([stacked], lr=0.1, weight_decay=0.1).step()
    Muon(alone, lr=0.1, weight_decay=0.1).step()
    torch.testing.assert_close(stacked.detach(), torch.stack([p.detach() for p in alone]))


def test_schedule_warms_up_stays_and_decays_to_zero():
    got = [schedule(PHASE, s) for s in (0, 9, 49, 75, 99)]
    assert got == pytest.approx([0.1, 1.0, 1.0, 0.5, 0.02])


def test_every_trained_parameter_has_exactly_one_optimizer(toy_config):
    model = Transformer(toy_config)
    for name, p in model.named_parameters():
        p.requires_grad_(not name.endswith("router.bias"))
    optimizers = make_optimizers(model, PHASE, "muon", 0.0)
    held = [id(p) for o in optimizers.values() for g in o.param_groups for p in g["params"]]
    assert sorted(held) == sorted(id(p) for p in model.parameters() if p.requires_grad)
    names = {id(p): n for n, p in model.named_parameters()}
    muon = {names[id(p)] for g in optimizers["muon"].param_groups for p in g["params"]}
    assert "layers.2.mlp.experts.gate_proj" in muon
    assert not any("router" in n or "embedding" in n or "head" in n for n in muon)


def test_an_unknown_optimizer_is_refused():
    model = Transformer(ModelConfig.from_hf(presets.toy()))
    init_weights(model)
    with pytest.raises(ConfigError, match="'sgd'"):
        make_optimizers(model, PHASE, "sgd", 0.0)
