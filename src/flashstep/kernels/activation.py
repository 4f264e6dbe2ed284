"""Exponential, sigmoid and the (clamped) SwiGLU in float32, written so that loops vectorise.

exp: range reduction by ln 2 in two pieces and a degree-7 polynomial, relative error below 2e-7;
arguments are clamped to [-87, 88], so results are finite, positive and normal.
"""

import numpy as np

from flashstep.kernels.jit import exact_kernel, kernel
from flashstep.kernels.tables import Float32

_LOG2_E = np.float32(1.4426950408889634)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_HALF, _ONE = np.float32(0.5), np.float32(1.0)
_C2, _C3, _C4 = np.float32(0.5), np.float32(1 / 6), np.float32(1 / 24)
_C5, _C6, _C7 = np.float32(1 / 120), np.float32(1 / 720), np.float32(1 / 5040)
_LOWEST, _HIGHEST = np.float32(-87.0), np.float32(88.0)


@exact_kernel
def exp32(x: np.float32) -> np.float32:
    """e**x in float32 for x clamped to [-87, 88]."""
    x = x if x > _LOWEST else _LOWEST
    x = x if x < _HIGHEST else _HIGHEST
    n = np.floor(x * _LOG2_E + _HALF)
    r = x - n * _LN2_HIGH
    r = r - n * _LN2_LOW
    p = _C6 + r * _C7
    p = _C5 + r * p
    p = _C4 + r * p
    p = _C3 + r * p
    p = _C2 + r * p
    p = _ONE + r * (_ONE + r * p)
    power = np.int32((np.int32(n) + np.int32(127)) << np.int32(23))
    return p * power.view(np.float32)


@kernel
def sigmoid(x: np.float32) -> np.float32:
    """1 / (1 + e**-x)."""
    return _ONE / (_ONE + exp32(-x))


@kernel
def swiglu(
    gate_up: Float32, start: int, up_start: int, width: int, limit: np.float32, out: Float32, at: int
) -> None:
    """out[at + i] = min(silu(gate_i), limit) * clip(up_i, -limit, limit) for i < width.

    gate at `start`, up at `up_start`, both in `gate_up`. The clamp comes after SiLU and leaves its
    negative lobe alone; a limit of infinity clamps nothing.
    """
    for i in range(width):
        gate, up = gate_up[start + i], gate_up[up_start + i]
        value = gate / (_ONE + exp32(-gate))
        value = value if value < limit else limit
        up = up if up < limit else limit
        up = up if up > -limit else -limit
        out[at + i] = value * up
