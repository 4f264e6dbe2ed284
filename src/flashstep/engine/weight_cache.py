"""Packed weights that are kept: beside the checkpoint, or in the user's cache folder.

A packed file serves as long as its fingerprint holds: digest of the checkpoint's weights (which reads both
ends of its files), times of the files to the second, the config, the storage formats, and the sources that
lay out weights; it serves every kind of CPU. One that does not, or is damaged, is made anew; a folder that
cannot be written costs a log line and nothing else. The cache folder follows the XDG base directory
specification: `$XDG_CACHE_HOME/flashstep/weights`, `~/.cache/flashstep/weights` when that is not set. It
has one file for each checkpoint folder and format; files whose checkpoint is gone are removed when a new
one is written.
"""

import hashlib
import importlib
import logging
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from flashstep.engine.config import WeightFormat
from flashstep.engine.packed_file import (
    PARTIAL_SUFFIX,
    SUFFIX,
    UnusableFile,
    read_packed,
    source_of,
    write_packed,
)
from flashstep.engine.weights import PackedModel, StorageFormats, pack
from flashstep.errors import ConfigError
from flashstep.model.checkpoint import Checkpoint, weights_digest
from flashstep.model.config import ModelConfig
from flashstep.user_folder import user_folder

logger = logging.getLogger("flashstep.engine")

# Modules whose sources decide what a packed weight looks like.
_LAYOUT = ("kernels.pack", "kernels.quantise", "kernels.rope", "kernels.tables", "kernels.workspace",
           "engine.weights", "engine.kv_cache",
           "model.config", "model.names", "model.checkpoint")  # fmt: skip
_ABANDONED_AFTER_S = 3600.0


def cache_folder() -> Path:
    """Where this user's packed weights lie. Reads the environment. ConfigError for a user without a home."""
    return user_folder("XDG_CACHE_HOME", ".cache") / "weights"


def load_packed(source: Path, config: ModelConfig, weight_format: WeightFormat) -> PackedModel:
    """The packed weights of checkpoint folder `source`: mapped, or packed and written to the cache.

    ConfigError for a checkpoint that cannot be used.
    """
    formats = StorageFormats.of(weight_format)
    expected = _fingerprint(source, formats)
    places = [source / f"{weight_format}{SUFFIX}"]
    try:
        places.append(cache_folder() / _name_in_cache(source, weight_format))
    except ConfigError as error:
        logger.info("packed weights are not kept: %s", error)
    for path in places:
        try:
            return read_packed(path, expected)
        except FileNotFoundError:
            continue
        except (UnusableFile, OSError) as error:
            logger.info("packed weights are made anew: %s", error)
    model = pack(Checkpoint.open(source, config), formats)
    for cached in places[1:]:
        _keep(cached, model, expected, source)
    return model


def _keep(cached: Path, model: PackedModel, expected: dict[str, Any], source: Path) -> None:
    try:
        write_packed(cached, model, expected, source.resolve())
        _remove_abandoned(cached.parent)
    except OSError as error:
        logger.info("packed weights are not kept for the next start: %s", error)


def convert(source: Path, config: ModelConfig, weight_format: WeightFormat, folder: Path | None) -> Path:
    """Pack checkpoint folder `source` and write the file: into `folder`, or the cache when None.

    Returns its path. ConfigError for a checkpoint that cannot be used or a user without a home folder,
    OSError when it cannot be written.
    """
    formats = StorageFormats.of(weight_format)
    if folder is None:
        path = cache_folder() / _name_in_cache(source, weight_format)
    else:
        path = folder / f"{weight_format}{SUFFIX}"
    expected = _fingerprint(source, formats)
    write_packed(path, pack(Checkpoint.open(source, config), formats), expected, source.resolve())
    if folder is None:
        with suppress(OSError):  # of somebody else
            _remove_abandoned(path.parent)
    return path


def _name_in_cache(source: Path, weight_format: WeightFormat) -> str:
    whole = source.resolve()
    place = hashlib.sha256(os.fsencode(whole)).hexdigest()[:12]
    return f"{whole.name}-{place}-{weight_format}{SUFFIX}"


def _fingerprint(source: Path, formats: StorageFormats) -> dict[str, Any]:
    """What a packed file is made from; ConfigError when the checkpoint has no weights."""
    return {
        "weights": weights_digest(source),
        "times": _times_digest(source),
        "config": hashlib.sha256((source / "config.json").read_bytes()).hexdigest(),
        "formats": list(formats),
        "layout": _layout_digest(),
    }


def _times_digest(source: Path) -> str:
    """One for all files: the header of a packed file has no room for a line a shard."""
    times = sorted((file.name, int(file.stat().st_mtime)) for file in source.glob("*.safetensors"))
    return hashlib.sha256(repr(times).encode()).hexdigest()[:16]


def _layout_digest() -> str:
    digest = hashlib.sha256()
    for name in _LAYOUT:
        file = importlib.import_module(f"flashstep.{name}").__file__
        assert file is not None
        digest.update(Path(file).read_bytes())
    return digest.hexdigest()[:16]


def _remove_abandoned(folder: Path) -> None:
    """Remove packed files whose checkpoint is gone, and what an interrupted process left."""
    for path in folder.glob(f"*{SUFFIX}"):
        try:
            is_abandoned = not source_of(path).exists()
        except UnusableFile:
            is_abandoned = True
        except OSError:  # of somebody else, or removed by another process a moment ago
            continue
        if is_abandoned:
            path.unlink(missing_ok=True)
    for path in folder.glob(f"*{PARTIAL_SUFFIX}"):
        with suppress(FileNotFoundError):  # finished or removed by another process a moment ago
            if time.time() - path.stat().st_mtime > _ABANDONED_AFTER_S:
                path.unlink()
