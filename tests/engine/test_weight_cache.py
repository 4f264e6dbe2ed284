"""Packed weights are mapped when they fit, and made anew when they are damaged, stale or of another kind."""

import ast
import logging
import os
import resource
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from flashstep.engine import weights
from flashstep.engine.config import WEIGHT_FORMATS, EngineConfig
from flashstep.engine.loading import load_engine
from flashstep.engine.packed_file import UnusableFile, read_packed, write_packed
from flashstep.engine.weight_cache import _LAYOUT, _fingerprint, cache_folder, convert, load_packed
from flashstep.engine.weights import StorageFormats, pack
from flashstep.errors import ConfigError
from flashstep.model.checkpoint import Checkpoint
from flashstep.model.config import ModelConfig


@pytest.fixture
def source(toy_checkpoint, tmp_path, monkeypatch):
    """A checkpoint folder of its own, with an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "models" / "toy"
    shutil.copytree(toy_checkpoint, path)
    return path


@pytest.fixture
def config(source):
    """The config of `source`."""
    return ModelConfig.load(source)


def cached_files():
    """What lies in the cache folder."""
    return sorted(path for path in cache_folder().iterdir())


def arrays_of(model):
    """All arrays of a packed model, by name."""
    own = {name: getattr(model, name) for name in model.__dataclass_fields__ if name != "weights"}
    return model.weights._asdict() | own


def is_mapped(model):
    """True when the weights are pages of a file."""
    array = model.weights.floats
    while isinstance(array, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base
    return isinstance(array, np.memmap)


def assert_same(found, expected):
    """Every array has the same type, shape and values."""
    for name, values in arrays_of(expected).items():
        other = arrays_of(found)[name]
        assert (other.dtype, other.shape) == (values.dtype, values.shape), name
        np.testing.assert_array_equal(other, values)


@pytest.mark.parametrize("weight_format", WEIGHT_FORMATS)
def test_the_second_load_maps_what_the_first_packed(source, config, weight_format):
    first, second = (load_packed(source, config, weight_format) for _ in range(2))
    assert (is_mapped(first), is_mapped(second)) == (False, True)
    assert_same(second, first)
    assert_same(first, pack(Checkpoint.open(source, config), StorageFormats.of(weight_format)))


def test_mapped_arrays_start_on_cache_lines_and_writing_to_them_leaves_the_file_alone(source, config):
    load_packed(source, config, "int8")
    [file] = cached_files()
    before = file.read_bytes()
    model = load_packed(source, config, "int8")
    for array in arrays_of(model).values():
        assert array.ctypes.data % 64 == 0
    model.weights.chars[:] = 0
    del model
    assert file.read_bytes() == before


def test_each_format_has_a_file_of_its_own(source, config):
    for weight_format in WEIGHT_FORMATS:
        load_packed(source, config, weight_format)
    assert len(cached_files()) == len(WEIGHT_FORMATS)
    assert all(file.suffix == ".packed" for file in cached_files())


@pytest.mark.parametrize("place", ["magic", "header", "tables", "first weights", "last weights"])
def test_one_wrong_byte_anywhere_is_noticed_and_repaired(source, config, place):
    expected = load_packed(source, config, "int8")
    [file] = cached_files()
    data = bytearray(file.read_bytes())
    weights = bytes(expected.weights.floats[:64])
    at = {
        "magic": 3,
        "header": 100,
        "tables": data.rindex(bytes(expected.matrices)) + 9,
        "first weights": 16384,
        "last weights": data.index(weights) + expected.weights.floats.nbytes - 513,
    }[place]
    data[at] ^= 16
    file.write_bytes(data)
    again = load_packed(source, config, "int8")
    assert not is_mapped(again)
    assert_same(again, expected)
    assert is_mapped(load_packed(source, config, "int8"))


@pytest.mark.parametrize("length", [0, 10, 16384, 20000, -4096])
def test_a_file_cut_short_is_made_anew(source, config, length):
    load_packed(source, config, "int8")
    [file] = cached_files()
    data = file.read_bytes()
    file.write_bytes(data[:length])
    assert not is_mapped(load_packed(source, config, "int8"))
    assert file.read_bytes() == data


def change_weight(source):
    """Another value at the end of the weights; size and time stay."""
    file = source / "model.safetensors"
    times = file.stat()
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def touch_weights(source):
    """The same weights, written later."""
    os.utime(source / "model.safetensors", (2e9, 2e9))


def change_config(source):
    """Another setting that the tables contain."""
    file = source / "config.json"
    file.write_text(file.read_text().replace('"sliding_window": 5', '"sliding_window": 6'))


@pytest.mark.parametrize("change", [change_weight, touch_weights, change_config])
def test_a_checkpoint_that_changed_is_packed_anew_into_the_same_file(source, config, change):
    load_packed(source, config, "int8")
    change(source)
    changed = ModelConfig.load(source)
    again = load_packed(source, changed, "int8")
    assert not is_mapped(again)
    assert_same(again, pack(Checkpoint.open(source, changed), StorageFormats.of("int8")))
    assert len(cached_files()) == 1
    assert is_mapped(load_packed(source, changed, "int8"))


def test_a_file_of_another_layout_or_cpu_is_refused_by_name_of_what_changed(source, config, tmp_path):
    model = pack(Checkpoint.open(source, config), StorageFormats.of("int8"))
    write_packed(tmp_path / "file", model, {"layout": "a", "formats": [1, 2]}, source)
    with pytest.raises(UnusableFile, match=r"something else \(formats, layout changed\)"):
        read_packed(tmp_path / "file", {"layout": "b", "formats": [3, 4]})


def test_every_source_that_the_packing_is_made_of_is_in_the_fingerprint():
    tree = ast.parse(Path(weights.__file__).read_text())
    used = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    # Of the engine's config the packing takes the names of the formats alone, which are in the fingerprint.
    ours = {name.removeprefix("flashstep.") for name in used if name.startswith("flashstep.")}
    assert ours - {"engine.config"} <= set(_LAYOUT)


def test_a_checkpoint_of_very_many_files_is_kept_like_any_other(source, config):
    for number in range(2000):
        (source / f"model-{number:05}-of-02000.safetensors").touch()
    assert not is_mapped(load_packed(source, config, "int8"))
    assert is_mapped(load_packed(source, config, "int8"))


def test_a_file_with_the_times_of_all_shards_in_its_header_is_made_anew(source, config):
    """As it was written before they became one digest."""
    path = convert(source, config, "int8", None)
    model = pack(Checkpoint.open(source, config), StorageFormats.of("int8"))
    made_from = _fingerprint(source, StorageFormats.of("int8"))
    write_packed(path, model, made_from | {"times": {"model.safetensors": 1}}, source)
    assert not is_mapped(load_packed(source, config, "int8"))
    assert is_mapped(load_packed(source, config, "int8"))


def test_a_cache_that_cannot_be_written_costs_a_log_line(source, config, caplog):
    cache_folder().parent.mkdir(parents=True)
    cache_folder().write_text("a file where the folder should be")
    with caplog.at_level(logging.INFO, "flashstep.engine"):
        model = load_packed(source, config, "int8")
    assert_same(model, pack(Checkpoint.open(source, config), StorageFormats.of("int8")))
    assert "not kept for the next start" in caplog.text


def test_a_user_without_a_home_packs_at_every_start(source, config, monkeypatch, caplog):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    with caplog.at_level("INFO", logger="flashstep.engine"):
        load_packed(source, config, "int8")
    assert "this user has no home folder; set XDG_CACHE_HOME" in caplog.text
    with pytest.raises(ConfigError, match="set XDG_CACHE_HOME"):
        convert(source, config, "int8", None)


def test_files_of_checkpoints_that_are_gone_and_of_interrupted_writers_are_removed(source, config):
    other = source.with_name("other")
    shutil.copytree(source, other)
    load_packed(other, config, "int8")
    shutil.rmtree(other)
    unfinished = [cache_folder() / f"{name}.partial" for name in ("old", "new")]
    for path in unfinished:
        path.write_bytes(b"half")
    os.utime(unfinished[0], (1e9, 1e9))
    load_packed(source, config, "int8")
    assert [path.name.split("-")[0] for path in cached_files()] == ["new.partial", "toy"]


def test_a_converted_file_beside_the_checkpoint_is_found_and_moves_with_it(source, config):
    path = convert(source, config, "int4", source)
    assert path.parent == source
    assert is_mapped(load_packed(source, config, "int4"))
    moved = source.rename(source.with_name("elsewhere"))
    assert is_mapped(load_packed(moved, config, "int4"))
    assert not cache_folder().exists()


def test_converting_into_the_cache_is_what_a_first_start_does(source, config):
    path = convert(source, config, "int8", None)
    assert [path] == cached_files()
    assert is_mapped(load_packed(source, config, "int8"))


def test_an_engine_keeps_packed_weights_unless_told_not_to(source):
    for keeps in (False, True):
        options = {"num_threads": 1, "max_sequences": 2, "cache_weights": keeps}
        load_engine(source, EngineConfig(**options)).close()
        assert cache_folder().exists() == keeps


def test_a_folder_without_weights_is_a_config_error(source, config):
    (source / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match=r"neither model\.safetensors nor"):
        load_packed(source, config, "int8")


def test_the_file_may_be_read_by_all_who_may_read_its_folder(source, config, tmp_path):
    for mode in (0o755, 0o750, 0o700):
        folder = tmp_path / f"{mode:o}"
        folder.mkdir()
        folder.chmod(mode)
        assert convert(source, config, "int8", folder).stat().st_mode & 0o777 == mode & 0o666


def test_a_disk_that_is_full_leaves_no_half_file(source, config, caplog):
    cache_folder().mkdir(parents=True)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that writing fails instead of the process
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with caplog.at_level(logging.INFO, "flashstep.engine"):
            model = load_packed(source, config, "int8")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert not is_mapped(model)
    assert "not kept" in caplog.text
    assert cached_files() == []


def test_two_starts_at_once_leave_one_whole_file(source, config):
    with ThreadPoolExecutor(4) as pool:
        models = list(pool.map(lambda _: load_packed(source, config, "int8"), range(8)))
    assert len(cached_files()) == 1
    mapped = load_packed(source, config, "int8")
    assert is_mapped(mapped)
    for model in models:
        assert_same(model, mapped)
