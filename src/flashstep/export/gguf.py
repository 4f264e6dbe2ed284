"""Writes a checkpoint as one GGUF file, which llama.cpp loads. Needs the package gguf (extra `gguf`).

Tensors are written one after the other, so memory holds one of them, whatever the size of the model.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import gguf
import numpy as np
from numpy.typing import NDArray

from flashstep.errors import ConfigError
from flashstep.export.gguf_metadata import ARCHITECTURE, chat_template, model_keys, tokenizer_keys
from flashstep.export.gguf_names import gguf_name
from flashstep.kernels.rope import inverse_frequencies
from flashstep.model.checkpoint import Checkpoint
from flashstep.model.config import ModelConfig
from flashstep.model.names import TensorSpec, checkpoint_tensors

GgufType = Literal["f32", "bf16", "q8_0"]
_TYPES = {
    "f32": (gguf.GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32),
    "bf16": (gguf.GGMLQuantizationType.BF16, gguf.LlamaFileType.MOSTLY_BF16),
    "q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
}
assert set(_TYPES) == set(get_args(GgufType))

Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A tensor of the file: `read` gives its values, stored as `kind`."""

    name: str
    shape: tuple[int, ...]
    kind: gguf.GGMLQuantizationType
    read: Callable[[], NDArray[np.float32]]

    @property
    def byte_shape(self) -> tuple[int, ...]:
        """The shape of its bytes."""
        return tuple(gguf.quant_shape_to_byte_shape(self.shape, self.kind))

    def stored(self) -> NDArray[np.uint8]:
        """Its bytes."""
        values = gguf.quants.quantize(np.ascontiguousarray(self.read(), np.float32), self.kind)
        return values.view(np.uint8).reshape(self.byte_shape)


def write_gguf(folder: Path, out: Path, gguf_type: GgufType, report: Report | None = None) -> None:
    """Write the checkpoint `folder` to the file `out`, which appears whole or not at all.

    Matrices are stored as `gguf_type`; norms, router and its bias stay float32. ConfigError for a model that
    the format cannot express, OSError when the file cannot be written. report: (tensors done, of how many).
    """
    config = ModelConfig.load(folder)
    tensors = list(_tensors(Checkpoint.open(folder, config), _TYPES[gguf_type][0]))
    unfinished = out.with_name(out.name + ".partial")
    try:
        with closing(gguf.GGUFWriter(unfinished, ARCHITECTURE)) as writer:
            _add_keys(writer, folder, config, gguf_type)
            _write(writer, tensors, report)
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)


def _write(writer: gguf.GGUFWriter, tensors: list[_Tensor], report: Report | None) -> None:
    """First what all tensors are, then their bytes in the same order."""
    for tensor in tensors:
        shape = tensor.byte_shape
        writer.add_tensor_info(tensor.name, shape, np.dtype(np.uint8), int(np.prod(shape)), tensor.kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for done, tensor in enumerate(tensors, start=1):
        writer.write_tensor_data(tensor.stored())
        if report is not None:
            report(done, len(tensors))


def _tensors(checkpoint: Checkpoint, kind: gguf.GGMLQuantizationType) -> Iterator[_Tensor]:
    config = checkpoint.config
    factors = _rope_factors(config)
    yield _Tensor("rope_freqs.weight", factors.shape, gguf.GGMLQuantizationType.F32, lambda: factors)
    for spec in checkpoint_tensors(config):
        name = gguf_name(spec.name)
        kind_here = _kind_of(name, spec.shape, kind)
        yield _Tensor(name, spec.shape, kind_here, partial(_values, checkpoint, spec))


def _kind_of(name: str, shape: tuple[int, ...], kind: gguf.GGMLQuantizationType) -> gguf.GGMLQuantizationType:
    """Vectors and routers are float32; a row that is no whole number of blocks is bfloat16."""
    if len(shape) == 1 or name.endswith("ffn_gate_inp.weight"):
        return gguf.GGMLQuantizationType.F32
    block_size, _ = gguf.GGML_QUANT_SIZES[kind]
    return kind if shape[-1] % block_size == 0 else gguf.GGMLQuantizationType.BF16


def _values(checkpoint: Checkpoint, spec: TensorSpec) -> NDArray[np.float32]:
    """Official norm weights are offsets from 1; llama.cpp's are not."""
    values = checkpoint.float32(spec)
    return values + np.float32(1.0) if spec.name.endswith("norm.weight") else values


def _rope_factors(config: ModelConfig) -> NDArray[np.float32]:
    """What llama.cpp divides the frequencies of full layers by, float32 [head width / 2]; 1 beyond the
    rotated channels. All full layers share them, and theta (`model_keys` checks that)."""
    layer = next((layer for layer in config.layers if not layer.is_sliding), None)
    if layer is None:
        raise ConfigError("this model has no full-attention layer; llama.cpp expects one")
    rope, factors = layer.rope, np.ones(layer.head_dim // 2, np.float32)
    plain, scaled = (inverse_frequencies(rope.theta, rope.dim, x) for x in (None, rope.scaling_numbers))
    factors[: rope.dim // 2] = plain / scaled
    return factors


def _add_keys(writer: gguf.GGUFWriter, folder: Path, config: ModelConfig, gguf_type: GgufType) -> None:
    writer.add_name(folder.resolve().name)
    writer.add_file_type(_TYPES[gguf_type][1])
    for key, value in model_keys(config):
        _add(writer, f"{ARCHITECTURE}.{key}", value)
    for key, value in tokenizer_keys(folder, config):
        _add(writer, f"tokenizer.ggml.{key}", value)
    if (template := chat_template(folder)) is not None:
        writer.add_chat_template(template)


def _add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    add: dict[type, Callable[[str, Any], None]] = {
        bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32,
        str: writer.add_string, list: writer.add_array,
    }  # fmt: skip
    add[type(value)](key, value)
