"""Matrix times activation rows in every storage format, one panel of 64 output channels at a time.

A panel's weights stay in the core's cache while all rows pass. int8 and int4: activations are int8 with
a scale per row, products are exact integers and floats follow in one order, so all CPUs agree to the last
bit. bfloat16 weights are widened on the way, so that a checkpoint of bfloat16 gives the bits that float32
gives. Rows are given by number, so that an expert can pick its rows anywhere.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from flashstep.kernels.amx import TILE_BYTES, close_tiles, open_tiles
from flashstep.kernels.amx_linear import FEWEST_ROWS, int8_panel_of_tiles
from flashstep.kernels.cpu import FLOAT_LANES, HAS_AMX, INTEGER_LANES
from flashstep.kernels.jit import exact_kernel, kernel
from flashstep.kernels.peak import largest_magnitude
from flashstep.kernels.spmd import Team, own_range
from flashstep.kernels.tables import (
    BFLOAT_PANELS,
    GROUP,
    INT4_PANELS,
    INT8_PANELS,
    NARROW,
    PANEL,
    Float32,
    Int8,
    Int32,
    Matrix,
    Weights,
)
from flashstep.kernels.tiles import float_tile, int4_tile, int8_tile

ROW_GROUP = 32  # rows that one thread takes at a time
# Four rows times four vectors fill the 32 registers of AVX-512; others have 16.
_FLOAT_COLUMNS_4 = (4 if FLOAT_LANES == 16 else 2) * FLOAT_LANES
_FLOAT_COLUMNS = 4 * FLOAT_LANES
_float_1 = float_tile(1, 4)
_float_2 = float_tile(2, 4)
_float_4 = float_tile(4, _FLOAT_COLUMNS_4 // FLOAT_LANES)
_narrow_1, _narrow_2, _narrow_4 = (float_tile(rows, NARROW // FLOAT_LANES) for rows in (1, 2, 4))


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
def quantise_row(x: Operand, row: int, length: int) -> None:
    """Write the first `length` values of a row as unsigned bytes, value + 128, and its scale (peak / 127)."""
    start = x.base + row * x.stride
    # An all-zero row quantises to zeros.
    peak = largest_magnitude(x.values, start, start + length, np.float32(1e-10))
    x.scales[x.first_scale + row] = peak / np.float32(127.0)
    inverse = np.float32(127.0) / peak
    for i in range(start, start + length):
        x.chars[i] = np.int8(np.int32(np.rint(x.values[i] * inverse)) ^ np.int32(-128))


@kernel
def prepare_row(x: Operand, row: int, length: int, matrix: Matrix) -> None:
    """Bring a row of float values into the form that `matrix` multiplies."""
    if matrix.format in (INT8_PANELS, INT4_PANELS):
        quantise_row(x, row, length)


def _floats_panel(tiles: tuple[Any, Any, Any], columns: tuple[int, int, int]) -> Any:
    """A panel of float weights, from tiles of one, two and four rows and so many columns each."""
    tile_1, tile_2, tile_4 = tiles
    columns_1, columns_2, columns_4 = columns

    def float_panel(
        w: Float32 | Int8, unit: int, width: int, depth: int, at: int,
        x: Operand, rows: Int32, first: int, count: int, y: Output, column: int,
    ) -> None:  # fmt: skip
        """`w`: `width` columns of float32 values (`unit` 1), or of bfloat16 values as bytes (`unit` 2)."""
        v, step = x.values, width * unit
        i = 0
        while i < count:
            left, r = count - i, first + i
            out = y.base + i * y.stride + column
            a = x.base + np.int64(rows[r]) * x.stride
            if left >= 4:
                b = x.base + np.int64(rows[r + 1]) * x.stride
                c = x.base + np.int64(rows[r + 2]) * x.stride
                d = x.base + np.int64(rows[r + 3]) * x.stride
                for n in range(0, width, columns_4):
                    tile_4(v, (a, b, c, d), w, at + n * unit, step, depth, y.values, out + n, y.stride)
                i += 4
            elif left >= 2:
                b = x.base + np.int64(rows[r + 1]) * x.stride
                for n in range(0, width, columns_2):
                    tile_2(v, (a, b), w, at + n * unit, step, depth, y.values, out + n, y.stride)
                i += 2
            else:
                for n in range(0, width, columns_1):
                    tile_1(v, (a,), w, at + n * unit, step, depth, y.values, out + n, y.stride)
                i += 1

    return kernel(float_panel)


_wide_columns = (_FLOAT_COLUMNS, _FLOAT_COLUMNS, _FLOAT_COLUMNS_4)
_wide_panel = _floats_panel((_float_1, _float_2, _float_4), _wide_columns)
_narrow_panel = _floats_panel((_narrow_1, _narrow_2, _narrow_4), (NARROW, NARROW, NARROW))


def _integer_panel(make_tile: Callable[..., Any], unit: int, widths: tuple[int, int, int, int]) -> Any:
    """A panel of int8 or int4, from tiles whose step over the depth is `unit` inputs."""
    tile_1, tile_2, tile_3, first_4 = (
        make_tile(rows, width, ask_ahead=True) for rows, width in enumerate(widths, 1)
    )  # fmt: skip
    later_4 = make_tile(4, widths[3], ask_ahead=False)
    columns_1, columns_2, columns_3, columns_4 = (width * INTEGER_LANES for width in widths)

    def integer_panel(
        weights: Weights, m: Matrix, at: int, scale: int, total: int,
        x: Operand, rows: Int32, first: int, count: int, y: Output, column: int,
    ) -> None:  # fmt: skip
        w, v, units, sums, f, s, q = (
            weights.chars, x.chars, m.depth // unit, weights.sums, weights.floats, x.scales, x.first_scale,
        )  # fmt: skip
        i = 0
        while i < count:
            # One row alone leaves most of the core idle, so five are three and two.
            left, r = count - i, first + i
            taken = 4 if left == 4 or left > 5 else min(left, 3)
            out = y.base + i * y.stride + column
            ra = np.int64(rows[r])
            a = x.base + ra * x.stride
            if taken == 4:
                rb, rc, rd = np.int64(rows[r + 1]), np.int64(rows[r + 2]), np.int64(rows[r + 3])
                at_rows = (a, x.base + rb * x.stride, x.base + rc * x.stride, x.base + rd * x.stride)
                scales_4 = (s[q + ra], s[q + rb], s[q + rc], s[q + rd])
                if i == 0:
                    for n in range(0, PANEL, columns_4):
                        first_4(v, at_rows, scales_4, w, at, n, units, sums, total + n, f, scale + n,
                                y.values, out + n, y.stride)  # fmt: skip
                else:
                    for n in range(0, PANEL, columns_4):
                        later_4(v, at_rows, scales_4, w, at, n, units, sums, total + n, f, scale + n,
                                y.values, out + n, y.stride)  # fmt: skip
            elif taken == 3:
                rb, rc = np.int64(rows[r + 1]), np.int64(rows[r + 2])
                at_three = (a, x.base + rb * x.stride, x.base + rc * x.stride)
                for n in range(0, PANEL, columns_3):
                    tile_3(v, at_three, (s[q + ra], s[q + rb], s[q + rc]), w, at, n, units, sums, total + n,
                           f, scale + n, y.values, out + n, y.stride)  # fmt: skip
            elif taken == 2:
                rb = np.int64(rows[r + 1])
                for n in range(0, PANEL, columns_2):
                    tile_2(v, (a, x.base + rb * x.stride), (s[q + ra], s[q + rb]), w, at, n, units,
                           sums, total + n, f, scale + n, y.values, out + n, y.stride)  # fmt: skip
            else:
                for n in range(0, PANEL, columns_1):
                    tile_1(v, (a,), (s[q + ra],), w, at, n, units, sums, total + n, f, scale + n,
                           y.values, out + n, y.stride)  # fmt: skip
            i += taken

    return exact_kernel(integer_panel)


# Widths: vectors of columns beside 1, 2, 3 and 4 rows; all sums stay in registers (int4 has two of each).
_is_wide = INTEGER_LANES == 16
_int8_panel = _integer_panel(int8_tile, 4, (4, 4, 4, 4) if _is_wide else (8, 4, 2, 2))
_int4_panel = _integer_panel(int4_tile, GROUP, (4, 4, 2, 2) if _is_wide else (4, 2, 2, 2))


@kernel
def fits_tiles(m: Matrix, count: int) -> bool:
    """Whether a matrix meets `count` neighbouring rows in tiles of AMX."""
    return HAS_AMX and m.format == INT8_PANELS and count >= FEWEST_ROWS and m.depth % TILE_BYTES == 0


@kernel
def is_for_tiles(m: Matrix, rows: Int32, first: int, count: int) -> bool:
    """Whether a matrix meets the `count` rows numbered `rows[first:]`, which ascend, in tiles of AMX."""
    return fits_tiles(m, count) and rows[first + count - 1] - rows[first] == count - 1


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
    at = m.offset + item * m.stride + panel * m.panel_stride
    column = panel * PANEL
    scale = m.scale_offset + item * m.num_columns + column
    total = m.sum_offset + item * m.num_columns + column
    if is_for_tiles(m, rows, first, count):
        row = np.int64(rows[first])
        int8_panel_of_tiles(
            x.chars, x.base + row * x.stride, x.stride, weights.chars, at, m.depth, weights.sums, total,
            weights.floats, scale, x.scales, x.first_scale + row, count, y.values, y.base + column, y.stride,
        )  # fmt: skip
    elif m.format == INT8_PANELS:
        _int8_panel(weights, m, at, scale, total, x, rows, first, count, y, column)
    elif m.format == INT4_PANELS:
        _int4_panel(weights, m, at, scale, total, x, rows, first, count, y, column)
    elif m.format == BFLOAT_PANELS:
        _wide_panel(weights.chars, 2, PANEL, m.depth, at, x, rows, first, count, y, column)
    elif m.panel_stride == m.depth * PANEL:
        _wide_panel(weights.floats, 1, PANEL, m.depth, at, x, rows, first, count, y, column)
    else:
        width = m.panel_stride // m.depth
        _narrow_panel(weights.floats, 1, width, m.depth, at, x, rows, first, count, y, column)


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


@kernel
def linear_alone(
    team: Team, weights: Weights, m: Matrix, x: Operand, rows: Int32, count: int, y: Output
) -> None:
    """`linear` outside of a step, whose threads have taken the tiles of AMX already."""
    open_tiles()
    linear(team, weights, m, x, rows, count, y)
    close_tiles()
