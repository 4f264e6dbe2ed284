"""Reads a checkpoint folder: safetensors files in the official layout, checked against a config.

Files are memory-mapped and tensors converted one at a time, so a checkpoint may be larger than memory.
Every tensor of the config must be there with its shape, and every tensor of the files must be known:
a config that contradicts the weights is an error with the names. Format: 8 bytes little-endian header
length, JSON header {name: {dtype, shape, data_offsets}}, data. FP8 matrices carry a companion
`<name>_scale_inv` of one factor per 128 x 128 block. No torch here.
"""

import hashlib
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flashstep.errors import ConfigError
from flashstep.model.config import ModelConfig
from flashstep.model.names import TensorSpec, canonical_name, checkpoint_tensors

SINGLE_FILE, INDEX_FILE = "model.safetensors", "model.safetensors.index.json"
FP8_BLOCK = 128
MAX_LISTED = 8
# safetensors' spelling -> (numpy type that holds the bits, our spelling)
_DTYPES: dict[str, tuple[type[np.generic], str]] = {
    "F32": (np.float32, "float32"),
    "F16": (np.float16, "float16"),
    "BF16": (np.uint16, "bfloat16"),
    "F8_E4M3": (np.uint8, "float8_e4m3fn"),
}


_DIGEST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class _Entry:
    """Where one tensor lies: `data` is a view of the mapped file, `dtype` our spelling."""

    data: NDArray[Any]
    dtype: str


class Checkpoint:
    """An opened checkpoint, which has every tensor of its config."""

    def __init__(self, path: Path, config: ModelConfig, entries: dict[str, _Entry]) -> None:
        self.path, self.config = path, config
        self._entries = entries

    @classmethod
    def open(cls, path: Path, config: ModelConfig) -> "Checkpoint":
        """Map all files of the folder and check names and shapes; ConfigError says what is wrong."""
        entries: dict[str, _Entry] = {}
        for file in _weight_files(path):
            for name, entry in _read_file(file).items():
                canonical = canonical_name(name)
                if canonical is None:
                    continue
                if canonical in entries:
                    raise ConfigError(f"{file}: tensor '{name}' occurs twice in this checkpoint")
                entries[canonical] = entry
        _check(path, config, entries)
        return cls(path, config, entries)

    def raw(self, spec: TensorSpec) -> tuple[NDArray[Any], str]:
        """The stored bits in the spec's shape and their dtype: bfloat16 comes as uint16, float8 as uint8.

        A router bias that the checkpoint does not have comes as float32 zeros.
        """
        entry = self._entries.get(spec.name)
        if entry is None:
            return np.zeros(spec.shape, np.float32), "float32"
        return entry.data.reshape(spec.shape), entry.dtype

    def float32(self, spec: TensorSpec) -> NDArray[np.float32]:
        """The tensor's values as float32 (a copy, except for stored float32). ConfigError when one of them is
        not finite: integer weights and relaxed float kernels would hide a NaN until answers are nonsense."""
        data, dtype = self.raw(spec)
        if dtype == "float8_e4m3fn":
            scales = self._entries[f"{spec.name}_scale_inv"]
            values = dequantise_fp8(data, to_float32(scales.data, scales.dtype))
        else:
            values = to_float32(data, dtype)
        num_bad = values.size - np.count_nonzero(np.isfinite(values))
        if num_bad:
            raise ConfigError(
                f"{self.path}: {num_bad} of {values.size} values of tensor '{spec.name}' are NaN or "
                f"infinite; the file is damaged: copy or download it again"
            )
        return values


def to_float32(data: NDArray[Any], dtype: str) -> NDArray[np.float32]:
    """Widen stored float32, float16 or bfloat16 bits exactly; `dtype` as given by `Checkpoint.raw`."""
    if dtype == "bfloat16":
        return (data.astype(np.uint32) << 16).view(np.float32)
    values: NDArray[np.float32] = data.astype(np.float32, copy=False)
    return values


def dequantise_fp8(data: NDArray[np.uint8], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """float8_e4m3fn bits [..., r, c] times scales [..., ceil(r / 128), ceil(c / 128)], block by block."""
    rows, columns = data.shape[-2:]
    spread = np.repeat(np.repeat(scales, FP8_BLOCK, axis=-2)[..., :rows, :], FP8_BLOCK, axis=-1)[
        ..., :columns
    ]
    values: NDArray[np.float32] = _fp8_values()[data] * spread.reshape(data.shape)
    return values


def _fp8_values() -> NDArray[np.float32]:
    """Value of each of the 256 codes: sign, 4 exponent bits (bias 7), 3 mantissa bits, no infinity."""
    code = np.arange(256)
    exponent, mantissa = (code >> 3) & 15, (code & 7).astype(np.float64)
    normal = (1 + mantissa / 8) * 2.0 ** (exponent - 7)
    values = np.where(exponent == 0, mantissa * 2.0**-9, normal)
    values[(code & 127) == 127] = np.nan
    return np.where(code >= 128, -values, values).astype(np.float32)


def weights_digest(path: Path) -> str:
    """16 hex digits that tell one checkpoint's weights from another's without reading all of them:
    name, size and both ends of each file."""
    digest = hashlib.sha256()
    for file in _weight_files(path):
        size = file.stat().st_size
        digest.update(f"{file.name} {size}\n".encode())
        with file.open("rb") as stream:
            digest.update(stream.read(_DIGEST_BYTES))
            stream.seek(max(0, size - _DIGEST_BYTES))
            digest.update(stream.read(_DIGEST_BYTES))
    return digest.hexdigest()[:16]


def _weight_files(path: Path) -> list[Path]:
    index = path / INDEX_FILE
    if not index.exists():
        if not (path / SINGLE_FILE).exists():
            raise ConfigError(
                f"{path}: neither {SINGLE_FILE} nor {INDEX_FILE} found; is this a checkpoint folder?"
            )
        return [path / SINGLE_FILE]
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, AttributeError, TypeError):
        raise ConfigError(f"{index}: not a usable index (needs a 'weight_map' of tensor to file)") from None
    files = [path / name for name in names]
    missing = [file.name for file in files if not file.exists()]
    if missing:
        raise ConfigError(f"{index} names files that are not there: {_listed(missing)}; download them again")
    return files


def _read_file(file: Path) -> dict[str, _Entry]:
    """Header and mapped data of one safetensors file."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        head = stream.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
        if length == 0 or 8 + length > size:
            raise ConfigError(f"{file}: not a safetensors file, or cut off in its header ({size} bytes)")
        try:
            header = json.loads(stream.read(length))
        except (json.JSONDecodeError, UnicodeDecodeError):
            raise ConfigError(f"{file}: not a safetensors file (its header is not JSON)") from None
    header.pop("__metadata__", None)
    try:
        end = 8 + length + max((entry["data_offsets"][1] for entry in header.values()), default=0)
    except (KeyError, IndexError, TypeError, AttributeError):
        raise ConfigError(f"{file}: not a safetensors file (its header lacks offsets)") from None
    if end > size:
        raise ConfigError(
            f"{file}: truncated: {size} bytes, its header needs {end}; copy or download it again"
        )
    mapped = np.memmap(file, np.uint8, "r")
    return {name: _entry(file, name, entry, mapped[8 + length :]) for name, entry in header.items()}


def _entry(file: Path, name: str, entry: dict[str, Any], data: NDArray[np.uint8]) -> _Entry:
    if entry["dtype"] not in _DTYPES:
        raise ConfigError(
            f"{file}: tensor '{name}' has dtype {entry['dtype']}; readable are {', '.join(_DTYPES)}"
        )
    kind, spelling = _DTYPES[entry["dtype"]]
    begin, end = entry["data_offsets"]
    shape = tuple(entry["shape"])
    if end - begin != int(np.prod(shape, dtype=np.int64)) * np.dtype(kind).itemsize:
        raise ConfigError(f"{file}: tensor '{name}' of shape {shape} does not fill its {end - begin} bytes")
    return _Entry(data[begin:end].view(kind).reshape(shape), spelling)


def _check(path: Path, config: ModelConfig, entries: dict[str, _Entry]) -> None:
    """ConfigError when names or shapes differ from the config's."""
    specs = {spec.name: spec for spec in checkpoint_tensors(config)}
    missing = [n for n in specs if n not in entries and not n.endswith(".router_bias")]
    mtp = tuple(f"model.layers.{layer.index}." for layer in config.mtp)
    without_mtp = bool(mtp) and not any(name.startswith(mtp) for name in entries)
    hint = " (the config announces MTP layers that the files do not have)" if without_mtp else ""
    if missing:
        raise ConfigError(f"{path}: config.json asks for tensors that are missing{hint}: {_listed(missing)}")
    unexpected = [n for n in entries if n not in specs and not _is_scale(n, specs, entries)]
    if unexpected:
        raise ConfigError(f"{path}: tensors that config.json does not know: {_listed(unexpected)}")
    wrong = [
        problem for n, spec in specs.items() if n in entries for problem in _shape_problems(spec, entries)
    ]
    if wrong:
        raise ConfigError(f"{path}: config.json and weights disagree: {_listed(wrong)}")


def _is_scale(name: str, specs: dict[str, TensorSpec], entries: dict[str, _Entry]) -> bool:
    tensor = name.removesuffix("_scale_inv")
    return (
        tensor != name and tensor in specs and tensor in entries and entries[tensor].dtype == "float8_e4m3fn"
    )


def _shape_problems(spec: TensorSpec, entries: dict[str, _Entry]) -> list[str]:
    """Wrong shape (leading axes of length 1 are ignored), and what FP8 needs: matrices only, with scales."""
    entry = entries[spec.name]
    shape = entry.data.shape
    if _squeezed(shape) != _squeezed(spec.shape):
        return [f"{spec.name} has shape {list(shape)}, expected {list(spec.shape)}"]
    if entry.dtype != "float8_e4m3fn":
        return []
    if len(spec.shape) < 2:
        return [f"{spec.name} is float8, which only matrices can be"]
    scales = entries.get(f"{spec.name}_scale_inv")
    blocks = (*spec.shape[:-2], -(-spec.shape[-2] // FP8_BLOCK), -(-spec.shape[-1] // FP8_BLOCK))
    if scales is None:
        return [f"{spec.name} is float8 and has no {spec.name}_scale_inv"]
    if scales.data.shape != blocks:
        return [f"{spec.name}_scale_inv has shape {list(scales.data.shape)}, expected {list(blocks)}"]
    if scales.dtype == "float8_e4m3fn":
        return [f"{spec.name}_scale_inv is float8, which scales cannot be"]
    return []


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    while len(shape) > 1 and shape[0] == 1:
        shape = shape[1:]
    return shape


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return "; ".join(names[:MAX_LISTED]) + more
