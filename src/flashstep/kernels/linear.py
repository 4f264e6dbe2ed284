"""Matrix times activation rows in the three storage formats, one panel of 64 output channels at a time.

A panel's weights stay in the core's cache while all rows pass. int8: weights have a scale per output
channel, activations one per row, products are exact integers, so the VNNI and the portable form
agree to the last bit. Rows are given by number, so that an expert can pick its rows anywhere.
"""

from typing import Any, NamedTuple

import numpy as np

from flashstep.kernels.cpu import FLOAT_LANES, VNNI_LANES
from flashstep.kernels.jit import exact_kernel, kernel
from flashstep.kernels.peak import largest_magnitude
from flashstep.kernels.spmd import Team, own_range
from flashstep.kernels.tables import (
    FLOAT_PANELS,
    INT8_PANELS,
    INT8_ROWS,
    PANEL,
    Float32,
    Int8,
    Int32,
    Matrix,
    Weights,
)
from flashstep.kernels.tiles import float_tile, int8_tile

ROW_GROUP = 32  # rows that one thread takes at a time
# Four rows times four vectors fill the 32 registers of AVX-512; others have 16.
_FLOAT_COLUMNS_4 = (4 if FLOAT_LANES == 16 else 2) * FLOAT_LANES
_FLOAT_COLUMNS = 4 * FLOAT_LANES
_float_1 = float_tile(1, 4, accumulate=False)
_float_2 = float_tile(2, 4, accumulate=False)
_float_4 = float_tile(4, _FLOAT_COLUMNS_4 // FLOAT_LANES, accumulate=False)


class Operand(NamedTuple):
    """Activation rows: row r starts at `base + r * stride` in `values` and, quantised, in `chars`;
    its scale is `scales[first_scale + r]`."""

    values: Float32
    chars: Int8
    scales: Float32
    base: int
    stride: int
    first_scale: int


class Output(NamedTuple):
    """Where results go: row i of the result starts at `base + i * stride` (room for whole panels)."""

    values: Float32
    base: int
    stride: int


@exact_kernel
def quantise_row(x: Operand, row: int, length: int, flip: int) -> None:
    """Write the int8 form of the first `length` values of a row, and its scale (peak / 127).

    `flip` is XORed into every byte: 0 for signed bytes, -128 for the form that INT8_PANELS meets.
    """
    start = x.base + row * x.stride
    # An all-zero row quantises to zeros.
    peak = largest_magnitude(x.values, start, start + length, np.float32(1e-10))
    x.scales[x.first_scale + row] = peak / np.float32(127.0)
    inverse = np.float32(127.0) / peak
    for i in range(start, start + length):
        x.chars[i] = np.int8(np.int32(np.rint(x.values[i] * inverse)) ^ flip)


@kernel
def prepare_row(x: Operand, row: int, length: int, matrix: Matrix) -> None:
    """Bring a row of float values into the form that `matrix` multiplies."""
    if matrix.format == INT8_PANELS:
        quantise_row(x, row, length, np.int32(-128))
    elif matrix.format == INT8_ROWS:
        quantise_row(x, row, length, np.int32(0))


@kernel
def _float_panel(
    weights: Weights,
    m: Matrix,
    at: int,
    x: Operand,
    rows: Int32,
    first: int,
    count: int,
    y: Output,
    column: int,
) -> None:
    w, v, depth = weights.floats, x.values, m.depth
    i = 0
    while i < count:
        left, r = count - i, first + i
        out = y.base + i * y.stride + column
        a = x.base + np.int64(rows[r]) * x.stride
        if left >= 4:
            b = x.base + np.int64(rows[r + 1]) * x.stride
            c = x.base + np.int64(rows[r + 2]) * x.stride
            d = x.base + np.int64(rows[r + 3]) * x.stride
            for n in range(0, PANEL, _FLOAT_COLUMNS_4):
                _float_4(v, (a, b, c, d), w, at + n, PANEL, depth, y.values, out + n, y.stride)
            i += 4
        elif left >= 2:
            b = x.base + np.int64(rows[r + 1]) * x.stride
            for n in range(0, PANEL, _FLOAT_COLUMNS):
                _float_2(v, (a, b), w, at + n, PANEL, depth, y.values, out + n, y.stride)
            i += 2
        else:
            for n in range(0, PANEL, _FLOAT_COLUMNS):
                _float_1(v, (a,), w, at + n, PANEL, depth, y.values, out + n, y.stride)
            i += 1


@exact_kernel
def _rows_panel(
    weights: Weights, m: Matrix, at: int, scale: int, total: int,
    x: Operand, rows: Int32, first: int, count: int, y: Output, column: int,
) -> None:  # fmt: skip
    w, v = weights.chars, x.chars
    for n in range(PANEL):
        w0 = at + n * m.depth
        w_scale = weights.floats[scale + n]
        for i in range(count):
            row = np.int64(rows[first + i])
            v0 = x.base + row * x.stride
            total_ = np.int32(0)
            for k in range(m.depth):
                total_ = np.int32(total_ + np.int32(w[w0 + k]) * np.int32(v[v0 + k]))
            y.values[y.base + i * y.stride + column + n] = (
                np.float32(total_) * w_scale * x.scales[x.first_scale + row]
            )


def _vnni_panel_source() -> Any:
    """The VNNI form; exists only where the CPU has the instruction."""
    tile_1, tile_2 = int8_tile(1, 4), int8_tile(2, 4)
    columns_4 = (4 if VNNI_LANES == 16 else 2) * VNNI_LANES
    tile_4 = int8_tile(4, columns_4 // VNNI_LANES)
    columns, step = 4 * VNNI_LANES, 4 * PANEL

    def vnni_panel(
        weights: Weights, m: Matrix, at: int, scale: int, total: int,
        x: Operand, rows: Int32, first: int, count: int, y: Output, column: int,
    ) -> None:  # fmt: skip
        w, v, groups, start, f, s, q = (
            weights.chars, x.chars, m.depth // 4, weights.sums, weights.floats, x.scales, x.first_scale,
        )  # fmt: skip
        i = 0
        while i < count:
            left, r = count - i, first + i
            out = y.base + i * y.stride + column
            ra = np.int64(rows[r])
            a = x.base + ra * x.stride
            if left >= 4:
                rb, rc, rd = np.int64(rows[r + 1]), np.int64(rows[r + 2]), np.int64(rows[r + 3])
                at_rows = (a, x.base + rb * x.stride, x.base + rc * x.stride, x.base + rd * x.stride)
                scales_4 = (s[q + ra], s[q + rb], s[q + rc], s[q + rd])
                for n in range(0, PANEL, columns_4):
                    tile_4(v, at_rows, scales_4, w, at + 4 * n, step, groups, start, total + n, f, scale + n,
                           y.values, out + n, y.stride)  # fmt: skip
                i += 4
            elif left >= 2:
                rb = np.int64(rows[r + 1])
                for n in range(0, PANEL, columns):
                    tile_2(v, (a, x.base + rb * x.stride), (s[q + ra], s[q + rb]), w, at + 4 * n, step,
                           groups, start, total + n, f, scale + n, y.values, out + n, y.stride)  # fmt: skip
                i += 2
            else:
                for n in range(0, PANEL, columns):
                    tile_1(v, (a,), (s[q + ra],), w, at + 4 * n, step, groups, start, total + n, f, scale + n,
                           y.values, out + n, y.stride)  # fmt: skip
                i += 1

    return vnni_panel


# Without VNNI nothing is packed as INT8_PANELS; the name must still compile.
_int8_panel = exact_kernel(_vnni_panel_source()) if VNNI_LANES else _rows_panel


@kernel
def linear_panel(
    weights: Weights,
    m: Matrix,
    item: int,
    panel: int,
    x: Operand,
    rows: Int32,
    first: int,
    count: int,
    y: Output,
) -> None:
    """Output channels [64 * panel, 64 * panel + 64) of matrix `item` for the `count` rows numbered
    `rows[first:]`; result i goes to row i of `y`."""
    at = m.offset + item * m.stride + panel * PANEL * m.depth
    column = panel * PANEL
    if m.format == FLOAT_PANELS:
        _float_panel(weights, m, at, x, rows, first, count, y, column)
        return
    scale = m.scale_offset + item * m.num_columns + column
    total = m.sum_offset + item * m.num_columns + column
    if m.format == INT8_PANELS:
        _int8_panel(weights, m, at, scale, total, x, rows, first, count, y, column)
    else:
        _rows_panel(weights, m, at, scale, total, x, rows, first, count, y, column)


@kernel
def linear(team: Team, weights: Weights, m: Matrix, x: Operand, rows: Int32, count: int, y: Output) -> None:
    """This thread's share of a whole matrix times the rows `rows[:count]`; result i in row i of `y`."""
    groups = (count + ROW_GROUP - 1) // ROW_GROUP
    low, high = own_range(team, m.num_columns // PANEL * groups)
    for unit in range(low, high):
        first = unit % groups * ROW_GROUP
        part = Output(y.values, y.base + first * y.stride, y.stride)
        linear_panel(
            weights, m, np.int64(0), unit // groups, x, rows, first, min(ROW_GROUP, count - first), part
        )
