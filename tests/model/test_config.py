"""Resolving `config.json`: the official spellings, and clear errors for what cannot work."""

import pytest

from flashstep.errors import ConfigError
from flashstep.model import presets
from flashstep.model.config import DenseSpec, ModelConfig, MoESpec

PER_LAYER = ("layer_types", "rope_theta", "partial_rotary_factors", "swiglu_limits", "swiglu_limits_shared")


def test_official_layers_follow_the_pattern():
    config = ModelConfig.from_hf(presets.step35_flash())
    assert len(config.layers) == 45
    assert len(config.mtp) == 3
    assert [i for i, s in enumerate(config.layers) if not s.is_sliding] == list(range(0, 45, 4))
    assert {s.num_q_heads for s in config.layers if s.is_sliding} == {96}
    assert {s.num_q_heads for s in config.layers if not s.is_sliding} == {64}
    assert all(isinstance(s.mlp, DenseSpec) for s in (*config.layers[:3], *config.mtp))


def test_clamps_are_asymmetric():
    config = ModelConfig.from_hf(presets.step35_flash())
    limits = {s.index: (s.mlp.swiglu_limit, s.mlp.shared_swiglu_limit) for s in config.layers[42:]}
    assert limits == {42: (None, None), 43: (7.0, None), 44: (7.0, 16.0)}


def test_enum_may_be_a_list_and_theta_a_scalar():
    raw = presets.toy() | {"moe_layers_enum": [2, 3, 4, 5, 6, 7], "rope_theta": 10000.0}
    config = ModelConfig.from_hf(raw)
    assert isinstance(config.layers[2].mlp, MoESpec)
    assert {s.rope.theta for s in config.layers} == {10000.0}


def test_lists_without_the_mtp_tail_are_padded_with_sliding_layers():
    raw = presets.toy()
    for key in PER_LAYER:
        raw[key] = raw[key][:8]
    config = ModelConfig.from_hf(raw)
    assert config.mtp == ModelConfig.from_hf(presets.toy()).mtp


def test_a_false_use_qk_norm_means_nothing_as_in_other_engines():
    raw = presets.toy()
    changed = ModelConfig.from_hf(raw | {"use_qk_norm": False})
    assert (changed.layers, changed.mtp) == (ModelConfig.from_hf(raw).layers, ModelConfig.from_hf(raw).mtp)


def test_a_config_without_mtp_has_none():
    assert ModelConfig.from_hf(presets.toy() | {"num_nextn_predict_layers": 0}).mtp == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "llama"}, "model_type is 'llama'"),
        ({"hidden_size": None}, "hidden_size"),
        ({"vocab_size": -3}, "vocab_size"),
        ({"moe_top_k": 13}, "moe_top_k is 13"),
        ({"moe_layers_enum": "2,x"}, "moe_layers_enum"),
        ({"moe_layers_enum": "2,99"}, "layer 99"),
        ({"layer_types": ["full_attention"] * 3}, "3 entries"),
        ({"layer_types": ["linear"] * 11}, "'linear'"),
        ({"num_attention_groups": 3}, "do not divide"),
        ({"rope_scaling": {"rope_type": "yarn"}}, "rope_type is 'yarn'"),
        ({"tie_word_embeddings": True}, "tie_word_embeddings"),
    ],
)
def test_a_config_that_cannot_work_is_refused_by_name(change, message):
    with pytest.raises(ConfigError, match=message):
        ModelConfig.from_hf(presets.toy() | change)


@pytest.mark.parametrize("key", PER_LAYER)
def test_a_list_that_ends_within_the_trunk_is_refused(key):
    raw = presets.toy()
    with pytest.raises(ConfigError, match=f"{key} has 7 entries, the trunk has 8 layers"):
        ModelConfig.from_hf(raw | {key: raw[key][:7]})


@pytest.mark.parametrize("key", ["rope_theta", "partial_rotary_factors", "rope_scaling"])
@pytest.mark.parametrize("is_null", [False, True], ids=["missing", "null"])
def test_a_rope_key_that_is_not_there_is_named_and_not_guessed(key, is_null):
    raw = presets.toy() | {key: None}
    if not is_null:
        del raw[key]
    with pytest.raises(ConfigError, match=f"key '{key}'"):
        ModelConfig.from_hf(raw)


@pytest.mark.parametrize("key", ["rope_theta", "partial_rotary_factors"])
@pytest.mark.parametrize("entry", [None, "1e4", True])
def test_an_entry_of_a_rope_list_is_a_number(key, entry):
    raw = presets.toy()
    raw[key][5] = entry
    with pytest.raises(ConfigError, match=rf"{key}\[5\] is {entry!r}, must be a number"):
        ModelConfig.from_hf(raw)


@pytest.mark.parametrize("theta", [0, -1e4, float("nan")])
def test_a_theta_that_gives_no_frequencies_is_refused(theta):
    with pytest.raises(ConfigError, match=r"rope_theta\[0\] is .*, must be positive"):
        ModelConfig.from_hf(presets.toy() | {"rope_theta": theta})


def test_a_config_that_wants_no_scaling_needs_none():
    raw = presets.toy() | {"yarn_only_types": [], "rope_scaling": None}
    assert all(layer.rope.scaling is None for layer in ModelConfig.from_hf(raw).layers)


@pytest.mark.parametrize("limits", [None, [None] * 11, [0] * 11, 0.0])
def test_no_limit_and_a_limit_of_zero_are_no_clamp(limits):
    config = ModelConfig.from_hf(presets.toy() | {"swiglu_limits": limits})
    assert {s.mlp.swiglu_limit for s in config.layers} == {None}


def test_missing_and_broken_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match="not found"):
        ModelConfig.load(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ConfigError, match="not valid JSON"):
        ModelConfig.load(tmp_path)
