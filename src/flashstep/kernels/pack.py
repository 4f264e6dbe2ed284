"""Turns float32 weights into the flat arrays that the kernels read: padding, panels, int8 quantisation.

int8: symmetric, one scale per output channel (peak / 127). Output channels are padded with zeros to
panels of 64, int8 inputs to multiples of 4. Layouts by format, inside one item: FLOAT_PANELS
[panel, depth, 64]; INT8_PANELS [panel, depth / 4, 64, 4]; INT8_ROWS [channel, depth].
"""

import numpy as np
from numpy.typing import NDArray

from flashstep.kernels.cpu import VNNI_LANES
from flashstep.kernels.tables import (
    FLOAT_PANELS,
    INT8_PANELS,
    INT8_ROWS,
    PANEL,
    Float32,
    Int8,
    Int32,
    Int64,
    Matrix,
    Weights,
)
from flashstep.kernels.workspace import SLACK, Scalar, aligned


def best_int8_format() -> int:
    """The int8 layout that this CPU multiplies fastest."""
    return INT8_PANELS if VNNI_LANES else INT8_ROWS


def quantise(weights: Float32) -> tuple[Int8, Float32]:
    """int8 values and float32 scales (last axis dropped) of float32 weights [..., in]."""
    scales = np.abs(weights).max(axis=-1) / np.float32(127.0)
    scales[scales == 0] = 1.0
    return np.rint(weights / scales[..., None]).astype(np.int8), scales


def panels(weights: NDArray[Scalar], group: int) -> NDArray[Scalar]:
    """[E, out, in] -> flat [E, out / 64, in / group, 64, group]; out and in are whole multiples."""
    items, rows, depth = weights.shape
    split = weights.reshape(items, rows // PANEL, PANEL, depth // group, group)
    return np.ascontiguousarray(split.transpose(0, 1, 3, 2, 4)).reshape(-1)


class Packer:
    """Collects the weights of a model; `vector` and `matrix` return where they will lie."""

    def __init__(self, format_: int) -> None:
        """`format_` is the layout of matrices that may be quantised (one of the three formats)."""
        self.format = format_
        self._floats: list[Float32] = []
        self._chars: list[Int8] = []
        self._sums: list[Int32] = []
        self._num_floats = self._num_chars = self._num_sums = 0
        self._matrices: list[Matrix] = []

    def vector(self, values: Float32) -> int:
        """Append float32 values; returns their offset in the floats."""
        offset = self._num_floats
        self._floats.append(np.ascontiguousarray(values, np.float32).reshape(-1))
        self._num_floats += values.size
        return offset

    def matrix(self, *parts: Float32, exact: bool = False) -> int:
        """Append a matrix [out, in] or a stack [E, out, in]; returns its number.

        Several parts are stacked along out, each padded to whole panels. `exact` keeps float32.
        """
        stacks = [part[None] if part.ndim == 2 else part for part in parts]
        format_ = FLOAT_PANELS if exact else self.format
        depth = stacks[0].shape[2] if format_ == FLOAT_PANELS else -(-stacks[0].shape[2] // 4) * 4
        padded = [_pad(stack, depth) for stack in stacks]
        whole = np.concatenate(padded, axis=1) if len(padded) > 1 else padded[0]
        self._matrices.append(self._float(whole) if format_ == FLOAT_PANELS else self._int8(whole, format_))
        return len(self._matrices) - 1

    def _float(self, weights: Float32) -> Matrix:
        _, rows, depth = weights.shape
        return Matrix(FLOAT_PANELS, rows, depth, self.vector(panels(weights, 1)), rows * depth, 0, 0)

    def _int8(self, weights: Float32, format_: int) -> Matrix:
        _, rows, depth = weights.shape
        chars, scales = quantise(weights)
        sums = (-128 * chars.sum(axis=-1, dtype=np.int32)).reshape(-1)
        matrix = Matrix(
            format_, rows, depth, self._num_chars, rows * depth, self.vector(scales), self._num_sums
        )
        self._chars.append(panels(chars, 4) if format_ == INT8_PANELS else chars.reshape(-1))
        self._sums.append(sums)
        self._num_chars += chars.size
        self._num_sums += sums.size
        return matrix

    def finish(self) -> tuple[Weights, Int64]:
        """The flat arrays, aligned to cache lines, and the matrix table; the packer is empty after."""
        weights = Weights(
            _join(self._chars, np.int8), _join(self._sums, np.int32), _join(self._floats, np.float32)
        )
        return weights, np.array(self._matrices, np.int64)


def _pad(stack: Float32, depth: int) -> Float32:
    items, rows, columns = stack.shape
    padded_rows = -(-rows // PANEL) * PANEL
    if (padded_rows, depth) == (rows, columns):
        return stack
    result = np.zeros((items, padded_rows, depth), np.float32)
    result[:, :rows, :columns] = stack
    return result


def _join(pieces: list[NDArray[Scalar]], dtype: type[Scalar]) -> NDArray[Scalar]:
    joined = aligned(sum(piece.size for piece in pieces) + SLACK, dtype)
    start = 0
    while pieces:
        piece = pieces.pop(0)
        joined[start : start + piece.size] = piece
        start += piece.size
    return joined
