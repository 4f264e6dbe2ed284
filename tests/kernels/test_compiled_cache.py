"""The cache of compiled kernels may be cut short, damaged, half new or unwritable: kernels still run."""

import importlib.util
import shutil
from pathlib import Path

import pytest

from flashstep.kernels.compiled_cache import CompiledCache

SOURCE = """
from flashstep.kernels.jit import entry_point

@entry_point
def answer(x):
    return x + {added}
"""


@pytest.fixture
def kernel(tmp_path):
    """Imports the module anew, as another process would, and returns its kernel after one call."""
    file = tmp_path / "kernel_of_a_test.py"

    def load(argument=41, added=1):
        source = SOURCE.format(added=added)
        if not file.exists() or file.read_text() != source:
            file.write_text(source)
        spec = importlib.util.spec_from_file_location(file.stem, file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert module.answer(argument) == argument + added
        return module.answer

    return load


def is_cached(kernel):
    """True when the kernel came from the cache."""
    return sum(kernel.stats.cache_hits.values()) == 1


def files(kernel):
    """Index and data."""
    folder = Path(kernel._cache.cache_path)
    (index,), (data,) = folder.glob("kernel_of_a_test*.nbi"), folder.glob("kernel_of_a_test*.nbc")
    return index, data


def test_a_kernel_is_compiled_once(kernel):
    assert isinstance(kernel()._cache, CompiledCache)
    assert is_cached(kernel())


def flipped(content):
    """One wrong bit, in the middle of the machine code."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("which", [0, 1], ids=["index", "data"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: b"\xff" * 999,
        flipped,
    ],
    ids=["empty", "cut short", "junk", "one bit"],
)
def test_a_damaged_file_is_made_anew(kernel, which, damage):
    file = files(kernel())[which]
    content = file.read_bytes()
    file.write_bytes(damage(content))
    kernel()
    assert is_cached(kernel())
    if which:
        assert file.read_bytes() != damage(content)


def test_code_of_an_earlier_source_is_never_taken_for_that_of_a_later_one(kernel):
    """As if a process had ended when the index was new and the code was not."""
    _, earlier = files(kernel())
    code = earlier.read_bytes()
    _, later = files(kernel(added=1000))
    later.unlink()
    earlier.write_bytes(code)
    assert not is_cached(kernel(added=1000))
    assert is_cached(kernel(added=1000))


def test_code_for_other_types_is_never_taken_for_that_of_these(kernel):
    """As if two processes had begun with an empty cache, each had written its index, then each its code."""
    index, integers = files(kernel())
    code = integers.read_bytes()
    index.unlink()
    kernel(argument=0.5)
    integers.write_bytes(code)
    assert is_cached(kernel(argument=0.5))


def test_code_that_no_index_leads_to_is_removed(kernel):
    _, earlier = files(kernel())
    _, later = files(kernel(added=1000))
    assert earlier != later
    assert not earlier.exists()


def test_a_folder_that_cannot_be_written_is_done_without(kernel, caplog):
    index, _ = files(kernel())
    shutil.rmtree(index.parent)
    index.mkdir(parents=True)  # where a file should be
    assert not is_cached(kernel())
    assert not is_cached(kernel())
    assert "cannot be kept in" in caplog.text
