"""Reading checkpoints: dtypes, FP8 blocks, spellings found in the wild, and every way to be wrong."""

import json
import struct

import numpy as np
import pytest

from flashstep.errors import ConfigError
from flashstep.model import presets
from flashstep.model.checkpoint import Checkpoint, dequantise_fp8
from flashstep.model.config import ModelConfig
from flashstep.model.names import checkpoint_tensors

CODES = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16, "F8_E4M3": np.uint8}


def write(file, tensors):
    """A safetensors file from name -> (dtype code, array of the bits)."""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, (code, array) in tensors.items():
        bits = np.ascontiguousarray(array, CODES[code]).tobytes()
        header[name] = {
            "dtype": code,
            "shape": array.shape,
            "data_offsets": [len(data), len(data) + len(bits)],
        }
        data += bits
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + data)


def small_config(**changes):
    """One dense and one MoE layer, one MTP module."""
    raw = (
        presets.toy()
        | {"num_hidden_layers": 2, "num_nextn_predict_layers": 1, "moe_layers_enum": "1"}
        | changes
    )
    return ModelConfig.from_hf(raw)


@pytest.fixture
def config():
    return small_config()


@pytest.fixture
def tensors(config):
    rng = np.random.default_rng(2)
    return {
        s.name: ("F32", rng.standard_normal(s.shape).astype(np.float32)) for s in checkpoint_tensors(config)
    }


def spec_of(config, ending):
    return next(s for s in checkpoint_tensors(config) if s.name.endswith(ending))


def saved(path, tensors):
    write(path / "model.safetensors", tensors)
    return path


def test_every_stored_dtype_widens_exactly(tmp_path, config, tensors):
    values = np.array([1.0, -2.5, 0.15625, 448.0] * 16, np.float32)
    tensors["model.norm.weight"] = ("BF16", (values.view(np.uint32) >> 16).astype(np.uint16))
    tensors["model.layers.0.input_layernorm.weight"] = ("F16", values.astype(np.float16))
    checkpoint = Checkpoint.open(saved(tmp_path, tensors), config)
    for name in ("model.norm.weight", "model.layers.0.input_layernorm.weight"):
        np.testing.assert_array_equal(checkpoint.float32(spec_of(config, name)), values)
    raw, dtype = checkpoint.raw(spec_of(config, "model.norm.weight"))
    assert (raw.dtype, dtype) == (np.uint16, "bfloat16")


def stored_as(code, values):
    """float32 values as a tensor of `write`, rounded to the dtype of that code."""
    if code == "BF16":
        return code, (values.view(np.uint32) >> 16).astype(np.uint16)
    return code, values.astype(CODES[code])


@pytest.mark.parametrize("scale_code", ["F32", "BF16", "F16"])
@pytest.mark.parametrize("sizes", [(256, 128), (192, 256)], ids=["whole blocks", "ragged last block"])
def test_fp8_experts_are_multiplied_block_by_block(tmp_path, sizes, scale_code):
    config = small_config(hidden_size=sizes[0], moe_intermediate_size=sizes[1])
    rng = np.random.default_rng(3)
    tensors = {s.name: ("F32", np.zeros(s.shape, np.float32)) for s in checkpoint_tensors(config)}
    spec = spec_of(config, "moe.down_proj.weight")
    codes = rng.integers(0, 0x7E, spec.shape).astype(np.uint8) | (rng.integers(0, 2, spec.shape) << 7).astype(
        np.uint8
    )
    blocks = (spec.shape[0], -(-spec.shape[1] // 128), -(-spec.shape[2] // 128))
    scales = rng.integers(64, 256, blocks).astype(np.float32) / 128  # exact in each dtype
    tensors[spec.name] = ("F8_E4M3", codes)
    tensors[f"{spec.name}_scale_inv"] = stored_as(scale_code, scales)
    values = Checkpoint.open(saved(tmp_path, tensors), config).float32(spec)
    for e, r, c in [
        (0, 0, 0),
        (3, 127, 127),
        (5, 128, 0),
        (11, 191, 127),
        (7, spec.shape[1] - 1, spec.shape[2] - 1),
    ]:
        expected = (
            dequantise_fp8(codes[e, r, c].reshape(1, 1), np.ones((1, 1), np.float32))
            * scales[e, r // 128, c // 128]
        )
        assert values[e, r, c] == expected[0, 0]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("code", ["F32", "BF16", "F16"])
def test_values_that_are_not_finite_are_refused(tmp_path, config, tensors, code, bad):
    name = "model.layers.1.self_attn.k_proj.weight"
    values = tensors[name][1].copy()
    values[3, 5] = bad
    tensors[name] = stored_as(code, values)
    checkpoint = Checkpoint.open(saved(tmp_path, tensors), config)
    with pytest.raises(
        ConfigError, match=f"1 of {values.size} values of tensor '{name}' are NaN or infinite"
    ):
        checkpoint.float32(spec_of(config, name))


def test_an_fp8_nan_is_refused(tmp_path, config, tensors):
    spec = spec_of(config, "moe.down_proj.weight")
    codes = np.full(spec.shape, 0x38, np.uint8)
    codes[0, 0, 0] = 0x7F  # float8_e4m3fn's only NaN, but for its sign
    blocks = (spec.shape[0], -(-spec.shape[1] // 128), -(-spec.shape[2] // 128))
    tensors[spec.name] = ("F8_E4M3", codes)
    tensors[f"{spec.name}_scale_inv"] = ("F32", np.ones(blocks, np.float32))
    with pytest.raises(ConfigError, match="are NaN or infinite"):
        Checkpoint.open(saved(tmp_path, tensors), config).float32(spec)


@pytest.mark.parametrize(
    ("code", "value"),
    [(0x38, 1.0), (0x7E, 448.0), (0x01, 2.0**-9), (0x08, 2.0**-6), (0xB9, -1.125), (0x00, 0.0)],
)
def test_fp8_codes_have_their_values(code, value):
    assert dequantise_fp8(np.array([[code]], np.uint8), np.ones((1, 1), np.float32)) == value


def test_shards_are_read_through_their_index(tmp_path, config, tensors):
    names, weight_map = sorted(tensors), {}
    for i, part in enumerate((names[::2], names[1::2])):
        write(tmp_path / f"part-{i}.safetensors", {n: tensors[n] for n in part})
        weight_map |= dict.fromkeys(part, f"part-{i}.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    checkpoint = Checkpoint.open(tmp_path, config)
    for spec in checkpoint_tensors(config):
        np.testing.assert_array_equal(checkpoint.float32(spec), tensors[spec.name][1])
    (tmp_path / "part-1.safetensors").unlink()
    with pytest.raises(ConfigError, match=r"not there: part-1\.safetensors"):
        Checkpoint.open(tmp_path, config)


def test_spellings_found_in_the_wild_are_understood(tmp_path, config, tensors):
    wild = {}
    for name, (code, array) in tensors.items():
        if name.endswith(("router_bias", "moe.router_bias")):
            continue  # some exports drop it
        if ".g_proj" in name:
            array = array[None]
        wild["model.language_" + name if name.startswith("model.") else name] = (code, array)
    wild["model.language_model.layers.0.self_attn.rotary_emb.inv_freq"] = ("F32", np.zeros(4, np.float32))
    checkpoint = Checkpoint.open(saved(tmp_path, wild), config)
    for spec in checkpoint_tensors(config):
        expected = np.zeros(spec.shape) if spec.name.endswith("router_bias") else tensors[spec.name][1]
        np.testing.assert_array_equal(checkpoint.float32(spec), expected)


def test_absent_mtp_layers_are_an_error_that_says_so(tmp_path, config, tensors):
    trunk = {n: t for n, t in tensors.items() if not n.startswith("model.layers.2.")}
    saved(tmp_path, trunk)
    with pytest.raises(ConfigError, match="announces MTP layers"):
        Checkpoint.open(tmp_path, config)


def test_a_config_that_contradicts_the_weights_names_the_tensors(tmp_path, config, tensors):
    saved(tmp_path, tensors)
    with pytest.raises(
        ConfigError, match=r"embed_tokens\.weight has shape \[384, 64\], expected \[400, 64\]"
    ):
        Checkpoint.open(tmp_path, small_config(vocab_size=400))
    with pytest.raises(ConfigError, match=r"missing: model\.layers\.0\.moe\.gate\.weight"):
        Checkpoint.open(tmp_path, small_config(moe_layers_enum="0,1"))
    with pytest.raises(ConfigError, match=r"does not know: model\.layers\.2\.enorm|does not know: .* more"):
        Checkpoint.open(tmp_path, small_config(num_nextn_predict_layers=0))


def test_broken_files_are_named_with_what_is_wrong(tmp_path, config, tensors):
    with pytest.raises(ConfigError, match="is this a checkpoint folder"):
        Checkpoint.open(tmp_path, config)
    file = saved(tmp_path, tensors) / "model.safetensors"
    content = file.read_bytes()
    for cut, message in [(len(content) - 1, "truncated"), (100, "cut off in its header"), (0, "cut off")]:
        file.write_bytes(content[:cut])
        with pytest.raises(ConfigError, match=message):
            Checkpoint.open(tmp_path, config)
    file.write_bytes(struct.pack("<Q", 20) + b"x" * 40)
    with pytest.raises(ConfigError, match="not JSON"):
        Checkpoint.open(tmp_path, config)
    (tmp_path / "model.safetensors.index.json").write_text("[]")
    with pytest.raises(ConfigError, match="not a usable index"):
        Checkpoint.open(tmp_path, config)


def test_fp8_without_usable_scales_is_refused(tmp_path, config, tensors):
    spec = spec_of(config, "moe.up_proj.weight")
    tensors[spec.name] = ("F8_E4M3", np.zeros(spec.shape, np.uint8))
    with pytest.raises(ConfigError, match="has no .*_scale_inv"):
        Checkpoint.open(saved(tmp_path, tensors), config)
    tensors[f"{spec.name}_scale_inv"] = ("F32", np.ones((12, 2, 2), np.float32))
    with pytest.raises(ConfigError, match=r"expected \[12, 1, 1\]"):
        Checkpoint.open(saved(tmp_path, tensors), config)
    tensors[f"{spec.name}_scale_inv"] = ("F8_E4M3", np.ones((12, 1, 1), np.uint8))
    with pytest.raises(ConfigError, match="_scale_inv is float8"):
        Checkpoint.open(saved(tmp_path, tensors), config)


def test_a_dtype_that_cannot_be_read_is_named(tmp_path, config, tensors, monkeypatch):
    monkeypatch.setitem(CODES, "I64", np.int64)
    tensors["model.norm.weight"] = ("I64", np.zeros(64, np.int64))
    with pytest.raises(ConfigError, match="dtype I64"):
        Checkpoint.open(saved(tmp_path, tensors), config)
