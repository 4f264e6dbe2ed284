"""Rotary embedding (rotate-half on the first channels of a head) with llama3 frequency scaling.

Pairs are (j, j + half); the exponent's denominator is the rotary width. Frequencies are computed in
float64 and kept in float32; angles are formed in float64, so cosines hold at any position.
Source of the scaling: the llama3 formula as `rope_scaling` of the official config states it.
"""

import math

import numpy as np
from numpy.typing import NDArray

from flashstep.kernels.jit import kernel
from flashstep.kernels.tables import Float32, Int64

Scaling = tuple[float, int, float, float]  # factor, original positions, low and high frequency factor


def inverse_frequencies(theta: float, dim: int, scaling: Scaling | None) -> NDArray[np.float32]:
    """float32 [dim / 2] radians per position of each rotated pair."""
    frequencies = theta ** (-2.0 * np.arange(dim // 2) / dim)
    if scaling is None:
        return frequencies.astype(np.float32)
    factor, original, low, high = scaling
    wavelengths = 2 * math.pi / frequencies
    blend = np.clip((original / wavelengths - low) / (high - low), 0.0, 1.0)
    return ((1 - blend) * frequencies / factor + blend * frequencies).astype(np.float32)


@kernel
def angles(
    position: int, floats: Float32, ropes: Int64, num_ropes: int, out: Float32, at: int, stride: int
) -> None:
    """Cosines and then sines of every rope at `position`; rope i writes to `out[at + i * stride:]`.

    ropes: pairs of (offset of the inverse frequencies in `floats`, their count).
    """
    for rope in range(num_ropes):
        offset, half = ropes[2 * rope], ropes[2 * rope + 1]
        start = at + rope * stride
        for j in range(half):
            angle = np.float64(position) * np.float64(floats[offset + j])
            out[start + j] = np.float32(np.cos(angle))
            out[start + half + j] = np.float32(np.sin(angle))


@kernel
def rotate(x: Float32, at: int, half: int, turns: Float32, turn: int) -> None:
    """Rotate one head in place: cosines at `turns[turn:]`, sines `half` further."""
    for j in range(half):
        a, b = x[at + j], x[at + half + j]
        cos, sin = turns[turn + j], turns[turn + half + j]
        x[at + j] = a * cos - b * sin
        x[at + half + j] = b * cos + a * sin
