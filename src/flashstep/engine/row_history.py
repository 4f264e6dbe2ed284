"""The newest hidden states of one sequence, for MTP modules that begin later."""

import numpy as np

from flashstep.engine.batch import Float32

_SPARE = 3  # times the rows kept; so that rows move only now and then


class RowHistory:
    """Keeps at least the newest `num_kept` rows that were added, [*, D] float32."""

    __slots__ = ("_end", "_num_kept", "_rows_TD")

    def __init__(self, num_kept: int, d_model: int) -> None:
        self._num_kept = num_kept
        self._rows_TD: Float32 = np.empty(((1 + _SPARE) * num_kept, d_model), np.float32)
        self._end = 0

    def __len__(self) -> int:
        return self._end

    def add(self, rows_TD: Float32) -> None:
        """Append copies of rows; of many only the newest."""
        new_TD = rows_TD[-self._num_kept :]
        end = self._end + len(new_TD)
        if len(rows_TD) > len(new_TD):
            end = len(new_TD)  # the rows before them are not neighbours any more
        elif end > len(self._rows_TD):
            self._rows_TD[: self._num_kept] = self._rows_TD[self._end - self._num_kept : self._end]
            end = self._num_kept + len(new_TD)
        self._rows_TD[end - len(new_TD) : end] = new_TD
        self._end = end

    def newest(self, count: int) -> Float32:
        """A view of the last `count` rows, valid until the next `add`."""
        return self._rows_TD[self._end - count : self._end]
