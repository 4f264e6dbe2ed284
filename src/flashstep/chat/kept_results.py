"""Results of a slow function of texts, kept within a number of bytes. Thread-safe."""

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable


class KeptResults:
    """Calls `function`, or gives back what it gave for the same texts before. Keeps what was used last, as
    long as it takes at most `max_bytes`, the texts counted; `num_bytes` are taken now."""

    def __init__(self, function: Callable[..., tuple[str, ...]], max_bytes: int) -> None:
        self.num_bytes = 0
        self._function = function
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, ...], tuple[str, ...]] = OrderedDict()

    def __call__(self, *texts: str) -> tuple[str, ...]:
        """The function's result. What it raises is not kept."""
        with self._lock:
            if texts in self._kept:
                self._kept.move_to_end(texts)
                return self._kept[texts]
        # Outside the lock: it is slow, and others need not wait for it.
        result = self._function(*texts)
        with self._lock:
            self._keep(texts, result)
        return result

    def _keep(self, texts: tuple[str, ...], result: tuple[str, ...]) -> None:
        if texts not in self._kept:  # somebody else may have been quicker
            self._kept[texts] = result
            self.num_bytes += _num_bytes(texts, result)
        while self.num_bytes > self._max_bytes:
            self.num_bytes -= _num_bytes(*self._kept.popitem(last=False))


def _num_bytes(texts: tuple[str, ...], result: tuple[str, ...]) -> int:
    return sum(map(sys.getsizeof, (*texts, *result)))
