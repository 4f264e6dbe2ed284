"""A matrix in a storage format times a few rows by the kernel, for tests (also in processes of their own)."""

import hashlib

import numpy as np

from flashstep.kernels.amx_linear import SLACK_ROWS
from flashstep.kernels.linear import Operand, Output, linear_alone, prepare_row
from flashstep.kernels.pack import Packer
from flashstep.kernels.quantise import from_bfloat16, to_bfloat16, to_int4, to_int8
from flashstep.kernels.spmd import Team, new_control
from flashstep.kernels.tables import BFLOAT_PANELS, FLOAT_PANELS, GROUP, INT4_PANELS, INT8_PANELS, Matrix


def multiply(weights, x, format_, rows, num_threads=1):
    """x[rows] @ weights.T by the kernel, weights packed in `format_`; x lies with garbage behind it."""
    packer = Packer()
    packer.matrix(format_, np.ones((3, 5), np.float32))  # so that offsets are not 0
    number = packer.matrix(format_, weights)
    packed, matrices = packer.finish()
    matrix = Matrix(*(int(v) for v in matrices[number]))
    count, depth = x.shape
    operand = Operand(
        np.pad(x.reshape(-1), (0, 128)),
        np.full(x.size + SLACK_ROWS * depth + 128, 77, np.int8),
        np.zeros(count, np.float32),
        0,
        depth,
        0,
    )
    for row in range(count):
        prepare_row(operand, row, depth, matrix)
    y = np.zeros((len(rows), matrix.num_columns), np.float32)
    output = Output(y.reshape(-1), 0, matrix.num_columns)
    for thread in range(num_threads):
        team = Team(new_control(num_threads), thread, num_threads)
        linear_alone(team, packed, matrix, operand, np.array(rows, np.int32), len(rows), output)
    return y[:, : len(weights)]


def int8_twin(weights, x):
    """x @ weights.T to the bit, in numpy: integer products, then the channel's scale, then the row's."""
    (codes, scales), (chars, row_scales) = to_int8(weights), to_int8(x)
    totals = (chars.astype(np.int64) @ codes.astype(np.int64).T).astype(np.float32)
    return totals * scales * row_scales[:, None]


def int4_twin(weights, x):
    """x @ weights.T to the bit, in numpy. Activations are counted from -128 on, codes 16 times; group after
    group is scaled and added to what takes the 128 off again."""
    padding = -weights.shape[1] % GROUP
    weights, x = (np.pad(values, ((0, 0), (0, padding))) for values in (weights, x))
    (codes, halves), (chars, row_scales) = to_int4(weights), to_int8(x)
    scales, shape = from_bfloat16(halves), (-1, codes.shape[1] // GROUP, GROUP)
    codes, inputs = codes.reshape(shape).astype(np.int64), chars.reshape(shape).astype(np.int64) + 128
    taken_off = (codes.sum(-1) * scales.astype(np.float64)).sum(-1)
    result = np.tile((-128.0 * taken_off).astype(np.float32), (len(x), 1))
    sixteenths = from_bfloat16(to_bfloat16(scales / np.float32(16)))
    for group in range(shape[1]):
        totals = inputs[:, group] @ (16 * codes[:, group]).T
        result = result + totals.astype(np.float32) * sixteenths[:, group]
    return result * row_scales[:, None]


def digests():
    """By format the digest of products that have the same bits on every CPU: the weights are such that
    quantising them is exact, and a bfloat16 product sums few integers."""
    rng = np.random.default_rng(8)
    codes, x = rng.integers(-8, 8, (130, 96)), rng.standard_normal((9, 96)).astype(np.float32)
    codes[:, ::32] = -8  # each group uses the whole range, so its scale is found exactly
    weights = (codes * 2.0 ** rng.integers(-3, 2, (130, 1))).astype(np.float32)
    products = {
        "int8": multiply(weights, x, INT8_PANELS, range(9)),
        "int8 of many rows": multiply(np.tile(weights, 2), np.tile(x, (4, 2)), INT8_PANELS, range(36)),
        "int4": multiply(weights, x, INT4_PANELS, range(9)),
        "bf16": multiply(weights, np.rint(4 * x), BFLOAT_PANELS, range(9)),
        **{
            f"float32, {rows} columns": multiply(weights[:rows], np.rint(4 * x), FLOAT_PANELS, range(9))
            for rows in (6, 16, 48)
        },
    }
    return {name: hashlib.sha256(values.tobytes()).hexdigest() for name, values in products.items()}
