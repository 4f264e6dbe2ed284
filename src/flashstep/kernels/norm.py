"""RMSNorm in float32: y = x * w / sqrt(mean(x^2) + eps).

`w` is the whole factor, i.e. 1 + the stored weight.
"""

import numpy as np

from flashstep.kernels.jit import kernel
from flashstep.kernels.tables import Float32


@kernel
def norm_factor(x: Float32, at: int, length: int, eps: np.float32) -> np.float32:
    """1 / sqrt(mean of squares + eps) of `x[at : at + length]`."""
    total = np.float32(0.0)
    for i in range(length):
        total += x[at + i] * x[at + i]
    return np.float32(1.0) / np.sqrt(total / np.float32(length) + eps)


@kernel
def rms_norm(
    x: Float32, at: int, length: int, w: Float32, w_at: int, eps: np.float32, y: Float32, y_at: int
) -> None:
    """Normalise `x[at : at + length]` with weight `w[w_at:]` into `y[y_at:]`, which must not overlap it."""
    factor = norm_factor(x, at, length, eps)
    for i in range(length):
        y[y_at + i] = x[at + i] * factor * w[w_at + i]


@kernel
def rms_norm_in_place(x: Float32, at: int, length: int, w: Float32, w_at: int, eps: np.float32) -> None:
    """Normalise `x[at : at + length]` where it lies.

    A kernel of its own: a loop over two names of one array would not vectorise.
    """
    factor = norm_factor(x, at, length, eps)
    for i in range(length):
        x[at + i] = x[at + i] * factor * w[w_at + i]
