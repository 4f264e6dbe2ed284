"""The architecture against published check vectors: norm, rope, clamp, router, parameter counts."""

import pytest
import torch

from flashstep.model import presets
from flashstep.model.config import ModelConfig, MoESpec
from flashstep.model.mlp import swiglu
from flashstep.model.moe import Router
from flashstep.model.norm import RMSNorm
from flashstep.model.rope import inverse_frequencies
from flashstep.model.transformer import Transformer


def test_norm_multiplies_by_one_plus_weight():
    norm = RMSNorm(4, 1e-5)
    norm.weight.data = torch.tensor([0.0, 0.5, -1.0, 1.0])
    out = norm(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    torch.testing.assert_close(out, torch.tensor([0.3651481, 1.0954444, 0.0, 2.9211850]))


def test_norm_casts_once_after_the_multiply():
    norm = RMSNorm(64, 1e-5)
    norm.weight.data = torch.full((64,), 0.3)
    x = torch.randn(64, generator=torch.Generator().manual_seed(0)).bfloat16()
    exact = x.float() * torch.rsqrt(x.float().pow(2).mean() + 1e-5) * 1.3
    assert torch.equal(norm(x), exact.bfloat16())


def _divisors(config: ModelConfig) -> torch.Tensor:
    rope = config.layers[0].rope
    plain = torch.tensor([rope.theta ** (-2 * j / rope.dim) for j in range(rope.dim // 2)])
    return plain / inverse_frequencies(rope)


def test_official_full_layers_divide_low_frequencies_by_two():
    middle = [1.138363, 1.374499, 1.576436, 1.733729, 1.847569, 1.925649, 1.977251]
    expected = torch.tensor([1.0] * 14 + middle + [2.0] * 11)
    torch.testing.assert_close(
        _divisors(ModelConfig.from_hf(presets.step35_flash())), expected, atol=2e-6, rtol=0
    )


def test_toy_full_layers_hit_all_three_bands(toy_config):
    expected = torch.tensor([1, 1, 1.415978, 1.937211, 2, 2, 2, 2])
    torch.testing.assert_close(_divisors(toy_config), expected, atol=2e-6, rtol=0)


def test_sliding_layers_are_not_scaled(toy_config):
    assert toy_config.layers[1].rope.scaling is None
    assert toy_config.layers[1].rope.dim == 32


@pytest.mark.parametrize(
    ("gate", "up", "expected"),
    [(8.0, 1.0, 7.0), (10.0, -9.0, -49.0), (-10.0, 3.0, -0.001362)],
    ids=["gate clamped after silu", "both clamped", "negative lobe kept"],
)
def test_clamp_comes_after_silu(gate, up, expected):
    out = swiglu(torch.tensor([gate]), torch.tensor([up]), 7.0)
    torch.testing.assert_close(out, torch.tensor([expected]), atol=1e-6, rtol=1e-5)


def _router(bias: list[float]) -> Router:
    spec = MoESpec(4, 2, 8, 8, 3.0, True, None, None)
    router = Router(4, spec).eval()
    router.weight.data = torch.eye(4)
    router.bias.data = torch.tensor(bias)
    return router


def test_router_bias_selects_but_does_not_weigh():
    ids, weights = _router([0.0, 0.5, 0.9, 0.0])(torch.tensor([[2.0, 0.0, -1.0, 1.0]]))
    got = dict(zip(ids[0].tolist(), weights[0].tolist(), strict=True))
    assert got == pytest.approx({2: 1.049266, 1: 1.950734}, abs=1e-6)


def test_a_constant_router_bias_changes_nothing():
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(1))
    plain, shifted = _router([0.0] * 4)(x), _router([5.0] * 4)(x)
    assert torch.equal(plain[0].sort().values, shifted[0].sort().values)


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_official_parameter_counts():
    with torch.device("meta"):
        model = Transformer(ModelConfig.from_hf(presets.step35_flash()))
    heads = sum(count(m.head) for m in model.mtp)
    assert count(model) == 199_384_301_376
    assert count(model) - count(model.mtp) == 196_956_130_368
    assert count(model.mtp) - heads == 844_296_960
    assert heads == 1_583_874_048
    assert count(model.layers[0].attention) == 75_759_872
    assert count(model.layers[1].attention) == 109_445_376
    assert count(model.layers[0].mlp) == 138_412_032
    assert count(model.layers[3].mlp) == 4_546_756_896
    assert count(model.mtp[0]) - count(model.mtp[0].head) == 281_432_320


def test_nano_fits_the_size_bound():
    with torch.device("meta"):
        model = Transformer(ModelConfig.from_hf(presets.nano()))
    assert sum(p.numel() for p in model.parameters()) * 2 <= 32 * 2**20
