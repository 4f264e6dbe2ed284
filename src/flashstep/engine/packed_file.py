"""The file that holds a `PackedModel`, so that loading it is mapping it.

Format: `MAGIC`; length and CRC-32 of the header, 4 bytes each, little-endian; the header, JSON
{"fingerprint", "source", "size", "arrays": {name: [dtype, shape, offset, checksum]}}; zeros up to byte 16384;
the arrays, each at a multiple of 4096. `size` is the whole file's. A checksum is the CRC-32 of the wrapping
sums of the 8-byte words of each MiB, continued over the bytes left: it finds accidents, not forgeries, as
fast as memory is read. A file is whole or not there, because it is written beside its place and renamed.
"""

import json
import os
import struct
import tempfile
import zlib
from dataclasses import fields
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from flashstep.engine.weights import PackedModel
from flashstep.kernels.tables import Weights

MAGIC = b"flashstep packed weights, form 1\n"
SUFFIX, PARTIAL_SUFFIX = ".packed", ".partial"
_HEADER_BYTES, _PAGE_BYTES, _CHUNK_BYTES = 16384, 4096, 1 << 20
_PREFIX = struct.Struct(f"<{len(MAGIC)}sII")


class UnusableFile(Exception):
    """A packed file that is damaged, cut short, of another form or made from other weights; says which."""


def write_packed(path: Path, model: PackedModel, fingerprint: dict[str, Any], source: Path) -> None:
    """Write the file and its folder, replacing a file that is there; OSError leaves nothing half done.

    fingerprint: JSON values that `read_packed` will compare. source: the checkpoint, for `source_of`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(suffix=PARTIAL_SUFFIX, prefix=path.name, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _write(file, model, {"fingerprint": fingerprint, "source": str(source)})
        # Temporary files are private; this one is for all who may read the folder, as the checkpoint is.
        os.chmod(partial, path.parent.stat().st_mode & 0o666)
        os.replace(partial, path)
    finally:
        Path(partial).unlink(missing_ok=True)  # renamed by now, unless something failed


def read_packed(path: Path, fingerprint: dict[str, Any]) -> PackedModel:
    """Map the file. FileNotFoundError when there is none, UnusableFile when it is not what is wanted.

    The arrays are views of the mapped file; what is written to them stays in this process.
    """
    header = _read_header(path)
    made_from = header["fingerprint"]
    changed = sorted(key for key in fingerprint if made_from.get(key) != fingerprint[key])
    if changed:
        raise UnusableFile(f"{path} was made from something else ({', '.join(changed)} changed)")
    # Copy on write, since compiled code knows writable arrays only.
    data = np.memmap(path, np.uint8, mode="c").view(np.ndarray)
    if len(data) != header["size"]:
        raise UnusableFile(f"{path} has {len(data)} bytes instead of {header['size']}")
    arrays = {name: _view(path, data, *entry) for name, entry in header["arrays"].items()}
    weights = Weights(*(arrays.pop(name) for name in Weights._fields))
    return PackedModel(weights=weights, **arrays)


def source_of(path: Path) -> Path:
    """The checkpoint folder that a packed file was made from; OSError or UnusableFile when it has none."""
    return Path(_read_header(path)["source"])


def _write(file: BinaryIO, model: PackedModel, header: dict[str, Any]) -> None:
    own = {f.name: getattr(model, f.name) for f in fields(model) if f.name != "weights"}
    entries, end = {}, _HEADER_BYTES
    for name, array in (model.weights._asdict() | own).items():
        entries[name] = [array.dtype.str, array.shape, end, _checksum(array)]
        file.seek(end)
        file.write(array.reshape(-1).view(np.uint8))
        end += -(-array.nbytes // _PAGE_BYTES) * _PAGE_BYTES
    file.truncate(end)
    encoded = json.dumps(header | {"size": end, "arrays": entries}).encode()
    if _PREFIX.size + len(encoded) > _HEADER_BYTES:
        raise OSError(f"the path {header['source']} is too long to be noted in a file of packed weights")
    file.seek(0)
    file.write(_PREFIX.pack(MAGIC, len(encoded), zlib.crc32(encoded)) + encoded)


def _read_header(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        beginning = file.read(_HEADER_BYTES)
    if not beginning.startswith(MAGIC) or len(beginning) < _HEADER_BYTES:
        raise UnusableFile(f"{path} is not a file of packed weights of this form, or cut short")
    _, length, expected = _PREFIX.unpack_from(beginning)
    encoded = beginning[_PREFIX.size : _PREFIX.size + length]
    if zlib.crc32(encoded) != expected:
        raise UnusableFile(f"{path} is damaged: the checksum of its header is wrong")
    header: dict[str, Any] = json.loads(encoded)
    return header


def _view(
    path: Path, data: NDArray[np.uint8], dtype: str, shape: list[int], offset: int, checksum: int
) -> NDArray[Any]:
    kind = np.dtype(dtype)
    array = data[offset : offset + int(np.prod(shape)) * kind.itemsize].view(kind).reshape(shape)
    if _checksum(array) != checksum:
        raise UnusableFile(f"{path} is damaged: a checksum of its arrays is wrong")
    return array


def _checksum(array: NDArray[Any]) -> int:
    data = array.reshape(-1).view(np.uint8)
    whole = len(data) // _CHUNK_BYTES * _CHUNK_BYTES
    sums = data[:whole].view(np.uint64).reshape(-1, _CHUNK_BYTES // 8).sum(axis=1, dtype=np.uint64)
    return zlib.crc32(data[whole:].tobytes(), zlib.crc32(sums.tobytes()))
