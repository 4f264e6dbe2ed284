"""Turns float32 weights into the flat arrays that the kernels read: padding, panels, number formats.

Output channels are padded with zeros to panels of 64, inputs to whole groups (4 for int8, 32 for int4).
Layouts of one item: FLOAT_PANELS, BFLOAT_PANELS [panel, depth, 64], where float32 that fills less than one
panel keeps only its columns, rounded up to 16; INT8_PANELS [panel, depth / 4, 64, 4]; INT4_PANELS [panel,
depth / 32] of 1152 bytes: 64 bfloat16 scales, then 4 x 64 channels x 4 bytes, in which byte j of quarter q
holds inputs 8q + j (low half) and 8q + 4 + j (high half). The scales of int4 are already divided by 16,
because the kernels read a code as the upper half of a byte.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flashstep.kernels.quantise import from_bfloat16, to_bfloat16, to_int4, to_int8
from flashstep.kernels.tables import (
    BFLOAT_PANELS,
    FLOAT_PANELS,
    GROUP,
    INT4_PANELS,
    INT8_PANELS,
    NARROW,
    PANEL,
    Float32,
    Int8,
    Int32,
    Int64,
    Matrix,
    Weights,
)
from flashstep.kernels.workspace import SLACK, Scalar, aligned

_DEPTH_UNIT = {FLOAT_PANELS: 1, BFLOAT_PANELS: 1, INT8_PANELS: 4, INT4_PANELS: GROUP}


def panels(weights: NDArray[Scalar], group: int, width: int = PANEL) -> NDArray[Scalar]:
    """[E, out, in] -> flat [E, out / width, in / group, width, group]; out and in are whole multiples."""
    items, rows, depth = weights.shape
    split = weights.reshape(items, rows // width, width, depth // group, group)
    return np.ascontiguousarray(split.transpose(0, 1, 3, 2, 4)).reshape(-1)


class Packer:
    """Collects the weights of a model; `vector` and `matrix` return where they will lie."""

    def __init__(self) -> None:
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

    def matrix(self, format_: int, *parts: Float32) -> int:
        """Append a matrix [out, in] or a stack [E, out, in] in a storage format; returns its number.

        Several parts are stacked along out, each padded to whole panels.
        """
        stacks = [part[None] if part.ndim == 2 else part for part in parts]
        unit = _DEPTH_UNIT[format_]
        depth = -(-stacks[0].shape[2] // unit) * unit
        padded = [_pad(stack, depth) for stack in stacks]
        whole = np.concatenate(padded, axis=1) if len(padded) > 1 else padded[0]
        width = min(PANEL, -(-stacks[0].shape[1] // NARROW) * NARROW) if len(parts) == 1 else PANEL
        self._matrices.append(self._stored(whole, format_, width))
        return len(self._matrices) - 1

    def finish(self) -> tuple[Weights, Int64]:
        """The flat arrays, aligned to cache lines, and the matrix table; the packer is empty after."""
        weights = Weights(
            _join(self._chars, np.int8), _join(self._sums, np.int32), _join(self._floats, np.float32)
        )
        return weights, np.array(self._matrices, np.int64)

    def _stored(self, weights: Float32, format_: int, width: int) -> Matrix:
        """width: channels that float32 keeps of a panel; less than all of them where there is but one."""
        if format_ == FLOAT_PANELS:
            kept = weights if width == PANEL else weights[:, :width]
            return _record(weights, format_, self.vector(panels(kept, 1, width)), kept[0].size, 0, 0)
        if format_ == BFLOAT_PANELS:
            data, scale_offset, sum_offset = panels(to_bfloat16(weights), 1), 0, 0
        elif format_ == INT8_PANELS:
            codes, scales = to_int8(weights)
            data = panels(codes, 4)
            scale_offset, sum_offset = self.vector(scales), self._sum(codes)
        else:
            nibbles, halves = to_int4(weights)
            data = _int4_panels(nibbles, halves)
            scale_offset, sum_offset = self.vector(_int4_starts(nibbles, halves)), 0
        chars = data.reshape(-1).view(np.int8)
        offset = self._num_chars
        self._chars.append(chars)
        self._num_chars += chars.size
        return _record(weights, format_, offset, chars.size // len(weights), scale_offset, sum_offset)

    def _sum(self, codes: Int8) -> int:
        """Append where the integer sums of int8 channels start; returns the offset."""
        offset = self._num_sums
        sums = (-128 * codes.sum(axis=-1, dtype=np.int32)).reshape(-1)
        self._sums.append(sums)
        self._num_sums += sums.size
        return offset


def _record(
    weights: Float32, format_: int, offset: int, stride: int, scale_offset: int, sum_offset: int
) -> Matrix:
    _, rows, depth = weights.shape
    return Matrix(format_, rows, depth, offset, stride, stride * PANEL // rows, scale_offset, sum_offset)


def _int4_starts(codes: Int8, scales: NDArray[np.uint16]) -> Float32:
    """Where the float sum of each channel starts: activations come as value + 128, this takes it off."""
    sums = codes.reshape(*scales.shape, GROUP).sum(axis=-1, dtype=np.int64)
    starts: Float32 = (-128.0 * (sums * from_bfloat16(scales).astype(np.float64)).sum(axis=-1)).astype(
        np.float32
    )
    return starts


def _int4_panels(codes: Int8, scales: NDArray[np.uint16]) -> NDArray[np.uint8]:
    items, rows, groups = scales.shape
    split = codes.view(np.uint8).reshape(items, rows // PANEL, PANEL, groups, 4, 2, 4)
    nibbles = (split[..., 0, :] & 15) | (split[..., 1, :] << 4)
    data = nibbles.transpose(0, 1, 3, 4, 2, 5).reshape(items, rows // PANEL, groups, -1)
    halves = _sixteenths(scales).reshape(items, rows // PANEL, PANEL, groups).transpose(0, 1, 3, 2)
    return np.concatenate([np.ascontiguousarray(halves).view(np.uint8), data], axis=-1)


def _sixteenths(scales: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """bfloat16 scales divided by 16, which is exact: no scale is near the smallest number."""
    return to_bfloat16(from_bfloat16(scales) / np.float32(16.0))


def _pad(stack: Float32, depth: int) -> Float32:
    items, rows, columns = stack.shape
    padded_rows = -(-rows // PANEL) * PANEL
    if (padded_rows, depth) == (rows, columns):
        return stack
    result = np.zeros((items, padded_rows, depth), np.float32)
    result[:, :rows, :columns] = stack
    return result


def _join(pieces: list[NDArray[Any]], dtype: type[Scalar]) -> NDArray[Scalar]:
    joined = aligned(sum(piece.size for piece in pieces) + SLACK, dtype)
    start = 0
    while pieces:
        piece = pieces.pop(0)
        joined[start : start + piece.size] = piece
        start += piece.size
    return joined
