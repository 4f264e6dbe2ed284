"""Where compiled kernels are kept between processes: numba's cache, which here may break without harm.

numba gives up when a file of its cache is cut short, as a power failure or a full disk leaves it, and runs
whatever machine code a damaged one holds. Here each file ends with the SHA-256 of the rest; one that is not
whole is dropped and made anew, and what cannot be written is done without. Against somebody who may write
into the folder this is no protection: numba's format is pickle, which runs code.
"""

import hashlib
import logging
import pickle
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
    """Index and data, each followed by its digest."""

    def _dump(self, obj: Any) -> bytes:
        data: bytes = super()._dump(obj)
        return data + hashlib.sha256(data).digest()

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
