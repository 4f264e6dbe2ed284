"""Where compiled kernels are kept between processes: numba's cache, which here may break without harm.

numba gives up when a file of its cache is cut short, as a power failure or a full disk leaves it, and runs
whatever machine code a damaged one holds. It also numbers the files of machine code and writes the index
that leads to them first, so that a process that ends between the two, or a second one that starts meanwhile,
leaves an index that leads to other code. Here a file of machine code is named for what it was made from and
ends with the SHA-256 of the rest; one that is not whole is dropped and made anew. The index has no digest:
one that can be read can at worst lead to no file. What cannot be written is done without. Against somebody
who may write into the folder this is no protection: numba's format is pickle, which runs code.
"""

import hashlib
import logging
import pickle
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache, IndexDataCacheFile

logger = logging.getLogger(__name__)

_DIGEST_BYTES = 32
# What unpickling raises on files that are not whole, or from another time.
_BROKEN = (
    OSError, EOFError, pickle.UnpicklingError, AttributeError, ImportError, LookupError, TypeError,
    ValueError, MemoryError,
)  # fmt: skip


class _CheckedFile(IndexDataCacheFile):
    """Index and data; each data file has a name of its own, and ends with its digest."""

    def save(self, key: Any, data: Any) -> None:
        """Keep `data` under `key`; files that the index does not know are removed.

        Another process may miss a file that it wrote a moment ago, and compiles once more.
        """
        overloads = self._load_index()
        overloads[key] = name = self._name_of(key)
        self._save_data(name, data)
        self._save_index(overloads)
        for path in Path(self._cache_path).glob(f"{self._base}.*.nbc"):
            if path.name not in overloads.values():
                path.unlink(missing_ok=True)

    @property
    def _base(self) -> str:
        return str(self._index_name).removesuffix(".nbi")

    def _name_of(self, key: Any) -> str:
        made_from = self._dump((self._version, self._source_stamp, key))
        return f"{self._base}.{hashlib.sha256(made_from).hexdigest()[:16]}.nbc"

    def _save_data(self, name: str, data: Any) -> None:
        content = self._dump(data)
        with self._open_for_write(self._data_path(name)) as file:
            file.write(content + hashlib.sha256(content).digest())

    def _load_data(self, name: str) -> Any:
        with open(self._data_path(name), "rb") as file:
            content = file.read()
        data, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
        if hashlib.sha256(data).digest() != digest:
            raise pickle.UnpicklingError(f"{name} is not whole")
        return pickle.loads(data)


class CompiledCache(FunctionCache):
    """The cache of one function. RuntimeError where no folder can be used."""

    def __init__(self, py_func: Any) -> None:
        super().__init__(py_func)
        plain = self._cache_file
        self._cache_file = _CheckedFile(self._cache_path, self._impl.filename_base, plain._source_stamp)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled function, None when there is none that is whole."""
        try:
            return super().load_overload(sig, target_context)
        except _BROKEN as error:
            logger.warning("compiled kernels in %s are damaged and made anew: %s", self.cache_path, error)
        self._try(self.flush)
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the compiled function, if the folder lets us."""
        self._try(lambda: super(CompiledCache, self).save_overload(sig, data))

    def _try(self, write: Any) -> None:
        try:
            write()
        except _BROKEN as error:
            logger.warning("compiled kernels cannot be kept in %s: %s", self.cache_path, error)
