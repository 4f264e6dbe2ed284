"""The newest hidden states of one sequence, for MTP modules that begin later."""

from collections import deque

import numpy as np

from flashstep.engine.batch import Float32

KEPT_ROWS = 8  # that the modules see when they begin; more than can be drafted at once


class RowHistory:
    """The last few rows that were added, at least `KEPT_ROWS` once there were so many.

    Rows are kept as the arrays that they came in, so adding costs next to nothing.
    """

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: deque[Float32] = deque(maxlen=KEPT_ROWS)

    @property
    def num_rows(self) -> int:
        """Rows that `newest` can give, at most `KEPT_ROWS`."""
        return min(KEPT_ROWS, sum(map(len, self._parts)))

    def add(self, rows_TD: Float32) -> None:
        """Append rows, [T, D] with T >= 1, which nobody changes afterwards."""
        if len(rows_TD) > KEPT_ROWS:
            self._parts.clear()
            rows_TD = rows_TD[-KEPT_ROWS:].copy()  # lets go of a whole prompt
        self._parts.append(rows_TD)

    def newest(self, count: int) -> Float32:
        """The last `count` rows, [count, D]."""
        parts: list[Float32] = []
        missing = count
        for part in reversed(self._parts):
            if missing <= 0:
                break
            parts.append(part[-missing:])
            missing -= len(parts[-1])
        return parts[0] if len(parts) == 1 else np.concatenate(parts[::-1])
