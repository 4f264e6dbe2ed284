"""GGUF files, read back with the library's own reader and compared with the checkpoint."""

import json
import shutil
from pathlib import Path

import gguf
import numpy as np
import pytest

from flashstep.chat.tokenizer import Tokenizer
from flashstep.cli.model_path import resolve_model_path
from flashstep.errors import ConfigError
from flashstep.export.gguf import write_gguf
from flashstep.export.gguf_metadata import tokenizer_keys
from flashstep.export.gguf_names import gguf_name
from flashstep.model.checkpoint import Checkpoint
from flashstep.model.config import ModelConfig
from flashstep.model.names import checkpoint_tensors

FOLDER = resolve_model_path(None)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The built-in model in each type, opened."""
    folder = tmp_path_factory.mktemp("gguf")
    readers = {}
    for kind in ("f32", "bf16", "q8_0"):
        write_gguf(FOLDER, folder / f"{kind}.gguf", kind)
        readers[kind] = gguf.GGUFReader(folder / f"{kind}.gguf")
    return readers


@pytest.fixture(scope="module")
def wanted():
    """Values by GGUF name, as the kernels use them."""
    config = ModelConfig.load(FOLDER)
    checkpoint = Checkpoint.open(FOLDER, config)
    return {
        gguf_name(spec.name): checkpoint.float32(spec) + (spec.name.endswith("norm.weight"))
        for spec in checkpoint_tensors(config)
    }


def value(reader, key):
    return reader.fields[key].contents()


@pytest.mark.parametrize(("kind", "worst"), [("f32", 0.0), ("bf16", 0.0), ("q8_0", 0.005)])
def test_every_tensor_is_there_with_its_values(written, wanted, kind, worst):
    """The shipped weights are bfloat16, so that is exact; a block of q8_0 has 127 steps to its largest."""
    tensors = {tensor.name: tensor for tensor in written[kind].tensors}
    assert tensors.keys() == wanted.keys() | {"rope_freqs.weight"}
    for name, values in wanted.items():
        tensor = tensors[name]
        found = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(values.shape)
        assert list(tensor.shape) == list(reversed(values.shape))
        assert np.abs(found - values).max() <= worst * np.abs(values).max(), name


def test_small_and_sensitive_tensors_stay_float32(written):
    kinds = {tensor.name: tensor.tensor_type.name for tensor in written["q8_0"].tensors}
    assert kinds["blk.1.ffn_gate_exps.weight"] == kinds["output.weight"] == "Q8_0"
    for name in (
        "blk.1.ffn_gate_inp.weight",
        "blk.1.exp_probs_b.bias",
        "output_norm.weight",
        "rope_freqs.weight",
    ):
        assert kinds[name] == "F32"


def test_a_row_of_no_whole_blocks_is_bfloat16(toy_checkpoint, tmp_path):
    """The toy model's experts are 40 and its shared experts 24 wide."""
    folder = tmp_path / "toy"
    shutil.copytree(toy_checkpoint, folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(FOLDER / name, folder / name)
    write_gguf(folder, tmp_path / "toy.gguf", "q8_0")
    kinds = {t.name: t.tensor_type.name for t in gguf.GGUFReader(tmp_path / "toy.gguf").tensors}
    assert kinds["blk.3.ffn_down_exps.weight"] == kinds["blk.3.ffn_down_shexp.weight"] == "BF16"
    assert kinds["blk.3.ffn_up_exps.weight"] == "Q8_0"


def test_keys_say_what_the_layers_are(written):
    reader, config = written["bf16"], ModelConfig.load(FOLDER)
    layers = (*config.layers, *config.mtp)
    assert value(reader, "general.architecture") == "step35"
    assert value(reader, "step35.block_count") == len(layers)
    assert value(reader, "step35.nextn_predict_layers") == len(config.mtp)
    assert value(reader, "step35.attention.head_count") == [layer.num_q_heads for layer in layers]
    assert value(reader, "step35.attention.sliding_window_pattern") == [layer.is_sliding for layer in layers]
    assert value(reader, "step35.swiglu_clamp_exp") == [0, 0, 0, 0, 7, 7, 0, 0, 0]
    assert value(reader, "step35.swiglu_clamp_shexp") == [0, 0, 0, 0, 0, 16, 0, 0, 0]


def test_the_tokenizer_has_every_row_of_the_model(written):
    reader, tokenizer = written["bf16"], Tokenizer.load(FOLDER)
    tokens, kinds = value(reader, "tokenizer.ggml.tokens"), value(reader, "tokenizer.ggml.token_type")
    assert len(tokens) == len(kinds) == ModelConfig.load(FOLDER).vocab_size
    assert tokens[:12] == [tokenizer.added_tokens.contents[i] for i in range(12)]
    assert kinds[:12] == [3] * 6 + [4] * 6  # control tokens, then markers that are text
    assert set(kinds[12 : tokenizer.vocab_size]) == {1}
    assert set(kinds[tokenizer.vocab_size :]) <= {5}
    assert tokens[value(reader, "tokenizer.ggml.eos_token_id")] == tokenizer.eos_token


@pytest.fixture
def edited(tmp_path):
    """A function (file name, edit of its JSON) that copies the built-in model and edits that file."""

    def make(name, edit):
        folder = tmp_path / "other"
        shutil.copytree(FOLDER, folder)
        state = json.loads((folder / name).read_text())
        edit(state)
        (folder / name).write_text(json.dumps(state))
        return folder

    return make


@pytest.mark.parametrize("number", [0, 1, 2])
def test_text_that_llama_cpp_would_split_otherwise_is_refused(edited, tmp_path, number):
    def edit(state):
        state["pre_tokenizer"]["pretokenizers"][number]["pattern"]["Regex"] = r"\p{N}"

    with pytest.raises(ConfigError, match=r"splits text by .*, expected .*: llama\.cpp would split it"):
        write_gguf(edited("tokenizer.json", edit), tmp_path / "x.gguf", "bf16")
    assert not list(tmp_path.glob("x.gguf*"))


def test_a_tokenizer_that_changes_text_is_refused(edited, tmp_path):
    folder = edited("tokenizer.json", lambda state: state.update(normalizer={"type": "NFC"}))
    with pytest.raises(ConfigError, match=r"has the normalizer {'type': 'NFC'}, expected none"):
        write_gguf(folder, tmp_path / "x.gguf", "bf16")


def test_a_normalizer_of_no_steps_is_none(edited):
    empty = {"type": "Sequence", "normalizers": []}
    folder = edited("tokenizer.json", lambda state: state.update(normalizer=empty))
    assert dict(tokenizer_keys(folder, ModelConfig.load(folder)))["pre"] == "deepseek-v3"


def entry(key, number, value):
    """An edit of config.json: another value for one layer."""
    return lambda raw: raw[key].__setitem__(number, value)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            entry("rope_theta", 3, 20_000.0),
            r"one theta of sliding layers, this model has \[10000.0, 20000.0\]",
        ),
        (
            entry("partial_rotary_factors", 4, 1.0),
            r"layer 4 \(full_attention\) rotates 64 of 64 channels of a head; llama\.cpp rotates 32",
        ),
        (
            entry("partial_rotary_factors", 8, 0.5),
            r"layer 8 \(sliding_attention\) rotates 32 of 64 channels of a head; llama\.cpp rotates 64",
        ),
        (
            lambda raw: raw["yarn_only_types"].append("sliding_attention"),
            r"layer 1 \(sliding_attention\) has rope_scaling with factor 2; llama\.cpp scales layers of full",
        ),
    ],
    ids=["theta", "full width", "sliding width", "sliding scaling"],
)
def test_what_the_format_cannot_say_of_the_layers_is_refused(edited, tmp_path, edit, message):
    with pytest.raises(ConfigError, match=message):
        write_gguf(edited("config.json", edit), tmp_path / "x.gguf", "bf16")


def test_the_tokenizer_names_the_end_of_text_where_the_config_does_not(edited):
    folder = edited("config.json", lambda raw: raw.pop("eos_token_id"))
    keys = dict(tokenizer_keys(folder, ModelConfig.load(folder)))
    assert keys["tokens"][keys["eos_token_id"]] == Tokenizer.load(folder).eos_token
    (folder / "tokenizer_config.json").write_text("{}")
    with pytest.raises(ConfigError, match="config.json has no eos_token_id"):
        dict(tokenizer_keys(folder, ModelConfig.load(folder)))


def test_an_interrupted_export_leaves_nothing(tmp_path: Path):
    def stop(done: int, total: int) -> None:
        if done == total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_gguf(FOLDER, tmp_path / "x.gguf", "bf16", stop)
    assert list(tmp_path.iterdir()) == []
