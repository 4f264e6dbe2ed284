"""The cost of a token by the model's shape, against a count over the checkpoint's own tensors."""

import pytest

from flashstep.bench.work import (
    BYTES_PER_WEIGHT,
    decode_bytes,
    head_weights,
    mlp_weights,
    prefill_macs,
    trunk_weights,
)
from flashstep.model import presets
from flashstep.model.config import ModelConfig, MoESpec
from flashstep.model.names import checkpoint_tensors


def naive_trunk_weights(model: ModelConfig) -> int:
    """All matrices of the trunk's layers, of the experts' stacks the share that a token chooses."""
    total = 0
    for spec in checkpoint_tensors(model):
        parts = spec.name.split(".")
        if parts[1] != "layers" or int(parts[2]) >= len(model.layers) or len(spec.shape) < 2:
            continue
        size = 1
        for count in spec.shape:
            size *= count
        mlp = model.layers[int(parts[2])].mlp
        if len(spec.shape) == 3:
            assert isinstance(mlp, MoESpec)
            size = size * mlp.top_k // mlp.num_experts
        total += size
    return total


@pytest.mark.parametrize("preset", [presets.toy, presets.nano, presets.step35_flash])
def test_a_token_reads_the_matrices_of_the_trunk_and_its_chosen_experts(preset) -> None:
    model = ModelConfig.from_hf(preset())
    assert trunk_weights(model) == naive_trunk_weights(model)


def test_the_official_model_has_eleven_billion_active_weights() -> None:
    model = ModelConfig.from_hf(presets.step35_flash())
    assert 10.5e9 < trunk_weights(model) + head_weights(model) < 11.5e9


def test_bytes_follow_the_weight_format_and_macs_the_prompt(toy_config: ModelConfig) -> None:
    weights = trunk_weights(toy_config) + head_weights(toy_config)
    assert decode_bytes(toy_config, "float32") == 4 * weights
    routers_and_gates = toy_config.d_model * sum(
        layer.num_q_heads + (layer.mlp.num_experts if isinstance(layer.mlp, MoESpec) else 0)
        for layer in toy_config.layers
    )
    assert decode_bytes(toy_config, "int8") == weights + 3 * routers_and_gates
    matrices = weights - routers_and_gates - head_weights(toy_config)
    assert decode_bytes(toy_config, "int4") == int(
        0.5625 * matrices + head_weights(toy_config) + 4 * routers_and_gates
    )
    assert prefill_macs(toy_config, 1) == weights
    one_more = prefill_macs(toy_config, 10) - prefill_macs(toy_config, 9)
    assert one_more == trunk_weights(toy_config) - mlp_weights(toy_config.layers[-1], toy_config.d_model)
    assert BYTES_PER_WEIGHT["int4"] < BYTES_PER_WEIGHT["int8"]
