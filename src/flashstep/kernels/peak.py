"""Largest values, in the form that vectorises: NaN is assumed away (with NaN the result is some number)."""

import numpy as np

from flashstep.kernels.jit import nan_free_kernel
from flashstep.kernels.tables import Float32


@nan_free_kernel
def largest(values: Float32, start: int, stop: int, floor: np.float32) -> np.float32:
    """The largest of `values[start:stop]` and `floor`."""
    peak = floor
    for i in range(start, stop):
        value = values[i]
        peak = value if value > peak else peak
    return peak


@nan_free_kernel
def largest_magnitude(values: Float32, start: int, stop: int, floor: np.float32) -> np.float32:
    """The largest absolute value of `values[start:stop]`, at least `floor`."""
    peak = floor
    for i in range(start, stop):
        value = abs(values[i])
        peak = value if value > peak else peak
    return peak
