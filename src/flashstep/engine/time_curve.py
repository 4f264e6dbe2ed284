"""Seconds as a function of rows, learned from what went by: medians of the last few samples of neighbouring
numbers of rows, and straight lines between and beyond them.

Old points are forgotten when newer ones are there, so that a curve follows the machine and the contexts.
"""

import statistics
from collections import deque

_SAMPLES, _ENOUGH = 9, 3  # kept per point, and wanted before it counts
_FORGOTTEN_AFTER = 1024  # samples added since the point's last one
_LEAST_GROWTH = 0.1  # of the time per doubling, tripling, ... of the rows, while only one point is known


class TimeCurve:
    """Medians by number of rows. Not safe for several threads."""

    def __init__(self) -> None:
        self._samples: dict[int, deque[float]] = {}
        self._added_at: dict[int, int] = {}
        self._num_added = 0

    def add(self, num_rows: int, seconds: float) -> None:
        """Note one sample."""
        key = _bucket(num_rows)
        if key not in self._samples:
            self._samples[key] = deque(maxlen=_SAMPLES)
        self._num_added += 1
        self._samples[key].append(seconds)
        self._added_at[key] = self._num_added

    def is_fresh(self, num_rows: int, most_samples: int) -> bool:
        """True when this very number of rows has enough samples, one of them within the last
        `most_samples`."""
        key = _bucket(num_rows)
        if len(self._samples.get(key, ())) < _ENOUGH:
            return False
        return self._num_added - self._added_at[key] <= most_samples

    def estimate(self, num_rows: int) -> float | None:
        """Seconds for so many rows; None while nothing is known. From a single point it is a guess on
        the low side, so that somebody tries and finds out."""
        points = self._points()
        if not points:
            return None
        if len(points) == 1:
            rows, seconds = points[0]
            return seconds * max(1.0, 1 + _LEAST_GROWTH * (num_rows / rows - 1))
        at = next((i for i, (rows, _) in enumerate(points) if rows >= num_rows), len(points) - 1)
        (low_rows, low_s), (high_rows, high_s) = points[max(0, at - 1)], points[max(1, at)]
        slope = max(0.0, (high_s - low_s) / (high_rows - low_rows))
        return max(0.0, low_s + slope * (num_rows - low_rows))

    def _points(self) -> list[tuple[int, float]]:
        """(rows, seconds), ascending by rows; forgotten points only where there is no other."""
        known = sorted(key for key, samples in self._samples.items() if len(samples) >= _ENOUGH)
        fresh = [key for key in known if self._num_added - self._added_at[key] <= _FORGOTTEN_AFTER]
        return [(key, statistics.median(self._samples[key])) for key in fresh or known[-1:]]


def _bucket(count: int) -> int:
    """The count rounded up so that neighbours share a point: 1 2 3 4 6 8 12 16 24 32 ..."""
    step = 1 << max(0, (count - 1).bit_length() - 2)
    return -(-count // step) * step
