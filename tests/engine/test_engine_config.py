"""Sizes that follow from memory and model."""

import os
import re
from dataclasses import asdict

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flashstep.engine.config import EngineConfig, cpu_limit, usable_cores
from flashstep.engine.kv_cache import new_caches
from flashstep.engine.torch_cache import new_layer_caches
from flashstep.engine.torch_device import DTYPES
from flashstep.errors import ConfigError
from flashstep.kernels.workspace import LINE_BYTES
from flashstep.model import presets
from flashstep.model.config import ModelConfig


def kv_bytes(model: ModelConfig, config: EngineConfig) -> tuple[int, int]:
    """What one block of each pool takes, counted layer by layer."""
    full = sliding = 0
    for layer in (*model.layers, *model.mtp):
        padded = (layer.head_dim + 31) // 32 * 32  # of V alone
        numbers = layer.num_kv_heads * (layer.head_dim + padded) * config.block_size
        layer_bytes = config.bytes_per_cached_number * numbers
        full += 0 if layer.is_sliding else layer_bytes
        sliding += layer_bytes if layer.is_sliding else 0
    return full, sliding


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "5000 100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "junk\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "250000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "250000\n"}, None),
        ({}, None),
    ],
    ids=["2", "1.5", "0.05", "max", "junk", "version 1", "version 1, none", "version 1, half", "no files"],
)
def test_the_limit_of_a_container_is_its_quota_in_whole_cores(tmp_path, files, cores):
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert cpu_limit(tmp_path) == cores


def test_threads_are_no_more_than_cores_of_the_process(toy_config):
    assert 1 <= usable_cores() <= os.cpu_count()
    assert EngineConfig().resolve(toy_config).num_threads == usable_cores()


@pytest.mark.parametrize(
    ("weight_format", "num_bytes"), [("int4", 2), ("int8", 2), ("bf16", 4), ("float32", 4)]
)
def test_keys_and_values_are_bfloat16_beside_integer_weights_and_float32_beside_exact_ones(
    weight_format, num_bytes
):
    assert EngineConfig(weight_format=weight_format).bytes_per_cached_number == num_bytes


@pytest.mark.parametrize("weight_format", ["int8", "float32"])
@pytest.mark.parametrize("num_draft_tokens", [0, 3])
@pytest.mark.parametrize("block_size", [8, 16])
def test_both_pools_together_use_the_memory_and_no_more(block_size, num_draft_tokens, weight_format):
    model = ModelConfig.from_hf(presets.nano())
    config = EngineConfig(
        block_size=block_size, num_draft_tokens=num_draft_tokens, weight_format=weight_format,
        kv_memory_bytes=300 << 20,
    )  # fmt: skip
    sizes = config.resolve(model)
    full, sliding = kv_bytes(model, config)
    used = sizes.num_full_blocks * full + sizes.num_sliding_blocks * sliding
    assert config.kv_memory_bytes - full - 4096 < used <= config.kv_memory_bytes


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(["toy", "nano"]),
    head_dim=st.sampled_from([None, 8, 32, 48]),
    kv_memory_bytes=st.integers(1 << 20, 96 << 20),
    block_size=st.sampled_from([1, 2, 4, 16, 64]),
    max_sequences=st.integers(1, 64),
    num_draft_tokens=st.integers(0, 3),
    prefix_cache=st.booleans(),
    weight_format=st.sampled_from(["int8", "float32"]),
)
def test_the_arrays_of_both_pools_never_exceed_the_kv_memory(name, head_dim, **options):
    raw = getattr(presets, name)()
    if head_dim is not None:
        raw["head_dim"] = raw["attention_other_setting"]["head_dim"] = head_dim
        raw["attention_other_setting"]["true_head_dim"] = head_dim
    model = ModelConfig.from_hf(raw)
    try:
        config = EngineConfig(**options)
        sizes = config.resolve(model)
        caches = new_caches(
            model, options["block_size"], sizes.num_full_blocks, sizes.num_sliding_blocks,
            config.bytes_per_cached_number,
        )  # fmt: skip
    except ConfigError:
        assume(False)  # too little for one request, or an odd block of bfloat16: refused
    allocated = sum(array.nbytes + LINE_BYTES for array in caches)
    assert allocated <= options["kv_memory_bytes"]


def test_the_default_memory_holds_the_whole_context_of_the_small_model():
    model = ModelConfig.from_hf(presets.nano())
    sizes = EngineConfig().resolve(model)
    assert sizes.num_full_blocks * 16 >= model.max_positions
    assert sizes.num_draft_tokens == 3
    assert sizes.num_threads >= 1


def test_a_small_model_takes_no_more_blocks_than_it_can_use(toy_config):
    sizes = EngineConfig(max_sequences=2).resolve(toy_config)
    assert sizes.num_full_blocks == 2 * 8192 // 16


def test_the_sliding_pool_never_runs_out(toy_config):
    """All sequences decoding with drafts, plus prefill chunks worth the whole budget."""
    config = EngineConfig(block_size=4, max_sequences=10, max_batch_tokens=100)
    window, stale, drafts = 5, 2, 3
    span = window + stale + drafts  # positions that one decoding sequence spans
    per_sequence = (span + 2) // 4 + 1  # wherever blocks begin
    assert config.resolve(toy_config).num_sliding_blocks >= 10 * per_sequence + 100 // 4


def test_drafting_needs_modules():
    raw = presets.nano()
    raw["num_nextn_predict_layers"] = 0
    for key, value in raw.items():
        if isinstance(value, list) and len(value) == 9:
            raw[key] = value[:6]
    assert EngineConfig().resolve(ModelConfig.from_hf(raw)).num_draft_tokens == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_sequences": 0}, "max_sequences is 0; it must be at least 1"),
        ({"num_threads": 0}, "num_threads is 0"),
        ({"num_draft_tokens": -1}, "num_draft_tokens is -1"),
        (
            {"weight_format": "int3"},
            "weight_format is 'int3'; the runner 'cpu' holds int4, int8, bf16, float32",
        ),
        ({"threads": 2}, "unknown engine option 'threads'; did you mean 'num_threads'"),
    ],
    ids=lambda x: str(x),
)
def test_a_setting_that_cannot_work_is_refused_by_name(options, words):
    with pytest.raises(ConfigError, match=words):
        EngineConfig.from_options(options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"kv_memory_bytes": 1 << 20},
            "kv_memory_bytes is 1048576, .* a context of 0 tokens; raise .* or lower",
        ),
        ({"max_sequences": 100}, "max_batch_tokens is 512, but 100 sequences with 3 drafts each need 600"),
    ],
    ids=["memory", "token budget"],
)
def test_sizes_that_contradict_each_other_are_refused_with_numbers(options, words):
    config = EngineConfig(**options)
    before = asdict(config)
    with pytest.raises(ConfigError, match=words):
        config.resolve(ModelConfig.from_hf(presets.nano()))
    assert asdict(config) == before


@pytest.mark.parametrize(("name", "num_mib"), [("toy", 1024), ("nano", 1024), ("step35_flash", 5369)])
def test_by_default_there_is_memory_for_a_context_of_use(name, num_mib):
    model, config = ModelConfig.from_hf(getattr(presets, name)()), EngineConfig()
    assert config.memory_bytes(model) == num_mib << 20
    assert config.resolve(model).num_full_blocks * config.block_size >= 4096
    assert EngineConfig(kv_memory_bytes=77).memory_bytes(model) == 77


@pytest.mark.parametrize("num_sequences", [1, 64, 85, 86, 1000])
def test_a_step_has_room_for_as_many_sequences_as_are_asked_for(num_sequences):
    config = EngineConfig.from_options({"max_sequences": num_sequences, "kv_memory_bytes": 4 << 30})
    config.resolve(ModelConfig.from_hf(presets.nano()))
    assert config.max_sequences == num_sequences
    assert config.max_batch_tokens >= 512


@pytest.mark.parametrize("prefix_cache", [False, True])
@pytest.mark.parametrize("runner", ["cpu", "torch"])
@pytest.mark.parametrize("name", ["toy", "nano", "step35_flash"])
def test_the_memory_that_is_recommended_gives_the_context_that_is_promised(name, runner, prefix_cache):
    model = ModelConfig.from_hf(getattr(presets, name)())
    options = {"runner": runner, "prefix_cache": prefix_cache, "block_size": 16}
    with pytest.raises(ConfigError) as caught:
        EngineConfig.from_options({**options, "kv_memory_bytes": 1 << 20}).resolve(model)
    found = re.search(r"to (\d+) \(--kv-memory-mib (\d+)\) for a context of (\d+)", str(caught.value))
    num_bytes, num_mib, context = map(int, found.groups())
    assert num_bytes == num_mib << 20
    sizes = EngineConfig.from_options({**options, "kv_memory_bytes": num_bytes}).resolve(model)
    assert 4096 <= context == min(model.max_positions, 16 * sizes.num_full_blocks)
    full, _ = kv_bytes(model, EngineConfig.from_options(options))
    assert context < 4096 + 16 * (2 + (1 << 20) // full), "a MiB less would not do"


@pytest.mark.parametrize("max_positions", [64, 8192])
def test_the_least_memory_that_is_taken_gives_a_context_of_use(max_positions):
    model = ModelConfig.from_hf(presets.toy() | {"max_seq_len": max_positions})
    contexts = [context_of(model, num_kib << 10) for num_kib in range(256, 4096, 64)]
    least = next(context for context in contexts if context > 0)
    assert min(max_positions, 256) <= least < 400
    assert contexts == sorted(contexts)


def context_of(model: ModelConfig, kv_memory_bytes: int) -> int:
    """Tokens of one request; 0 = so little memory is refused."""
    config = EngineConfig(kv_memory_bytes=kv_memory_bytes, max_sequences=2, max_batch_tokens=64)
    try:
        sizes = config.resolve(model)
    except ConfigError:
        return 0
    return min(model.max_positions, 16 * sizes.num_full_blocks)


@pytest.mark.parametrize("kv_memory_bytes", [1 << 20, 1 << 30])
def test_a_model_without_sliding_layers_takes_no_more_sliding_blocks_than_requests_need(kv_memory_bytes):
    model = only_full_layers()
    wishes = {"kv_memory_bytes": kv_memory_bytes, "max_sequences": 4, "max_batch_tokens": 64}
    sizes = EngineConfig(**wishes).resolve(model)
    assert sizes == EngineConfig(**wishes, prefix_cache=False).resolve(model)
    assert sizes.num_sliding_blocks < 20
    assert sizes.num_full_blocks * 16 >= 256


def only_full_layers() -> ModelConfig:
    """The toy with full attention in all layers and no MTP modules, which have to be sliding."""
    raw = presets.toy()
    num_layers, total = raw["num_hidden_layers"], len(raw["layer_types"])
    for key, value in raw.items():
        if isinstance(value, list) and len(value) == total:
            raw[key] = value[:num_layers]
    full = {"layer_types": ["full_attention"] * num_layers, "num_nextn_predict_layers": 0}
    return ModelConfig.from_hf(raw | full)


def test_sliding_blocks_that_outlive_requests_are_no_more_than_all_requests_could_use(toy_config):
    sizes = EngineConfig(max_sequences=2, max_batch_tokens=64, kv_memory_bytes=1 << 34).resolve(toy_config)
    assert sizes.num_sliding_blocks <= 2 * 8192 // 16 + 20


@pytest.mark.parametrize("weight_format", ["bf16", "float32"])
def test_the_tensors_of_the_torch_runner_use_the_memory_and_no_more(toy_checkpoint, weight_format):
    options = {"runner": "torch", "device": "cpu", "weight_format": weight_format}
    config = EngineConfig(kv_memory_bytes=8 << 20, max_sequences=8, **options)
    model = ModelConfig.load(toy_checkpoint)
    sizes = config.resolve(model)
    dtype = DTYPES[weight_format]
    caches = new_layer_caches(
        model, config.block_size, sizes.num_full_blocks, sizes.num_sliding_blocks, dtype, torch.device("cpu")
    )
    allocated = sum(tensor.nbytes for cache in caches for tensor in cache)
    assert 0.97 * config.kv_memory_bytes < allocated <= config.kv_memory_bytes


def test_the_torch_runner_keeps_twice_the_context_in_half_the_bytes():
    model = ModelConfig.from_hf(presets.nano())
    blocks = [
        EngineConfig.from_options({"runner": "torch", **given}).resolve(model).num_full_blocks
        for given in ({}, {"weight_format": "float32"})
    ]
    assert blocks[0] > 1.9 * blocks[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"runner": "gpu"}, "runner is 'gpu'; choose 'cpu' or 'torch'"),
        ({"device": "cuda"}, "device is 'cuda', but the runner 'cpu' has none; choose 'torch'"),
        ({"runner": "torch", "device": "tpu"}, "device is 'tpu'; choose cpu, cuda or cuda:N"),
        ({"runner": "torch", "weight_format": "int8"}, "weight_format is 'int8'; the runner 'torch' holds"),
        (
            {"weight_format": "fp8"},
            "weight_format is 'fp8'; the runner 'cpu' holds int4, int8, bf16, float32",
        ),
    ],
)
def test_a_runner_that_cannot_be_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        EngineConfig.from_options(options)
