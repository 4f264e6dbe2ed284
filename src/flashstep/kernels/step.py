"""What one thread knows during one step, and the row-wise parts that every sub-block shares.

Work on single rows (norms, rotary, routing, sums) is split by rows, matrices by output panels, attention
by rows and KV heads; a barrier stands wherever the split changes. Row-wise parts that follow each other
need none, since every thread keeps its rows.
"""

from typing import NamedTuple

import numpy as np

from flashstep.kernels.jit import inner_kernel, stage_kernel
from flashstep.kernels.linear import Operand, prepare_row
from flashstep.kernels.norm import rms_norm
from flashstep.kernels.spmd import Team
from flashstep.kernels.tables import Caches, Inputs, Matrix, Sizes, Tables, Weights, read_sizes
from flashstep.kernels.workspace import Strides, Workspace, read_strides


class Step(NamedTuple):
    """Everything one thread needs for one step over `num_rows` rows."""

    team: Team
    weights: Weights
    tables: Tables
    caches: Caches
    work: Workspace
    inputs: Inputs
    sizes: Sizes
    strides: Strides
    eps: np.float32
    num_rows: int


@stage_kernel
def new_step(
    team: Team, weights: Weights, tables: Tables, caches: Caches, work: Workspace, inputs: Inputs
) -> Step:
    """Read the tables into a `Step`."""
    sizes, strides = read_sizes(tables), read_strides(work)
    return Step(team, weights, tables, caches, work, inputs, sizes, strides, tables.eps[0], inputs.counts[1])


@inner_kernel
def normed_operand(step: Step) -> Operand:
    """The rows of `work.normed` as input of matrices."""
    work = step.work
    return Operand(work.normed, work.normed_chars, work.normed_scales, 0, 2 * step.sizes.d_model, 0)


@inner_kernel
def norm_row(step: Step, row: int, weight: int, matrix: Matrix) -> None:
    """Normalise one residual row into `work.normed`, ready for `matrix`."""
    d = step.sizes.d_model
    rms_norm(
        step.work.residual, row * d, d, step.weights.floats, weight, step.eps, step.work.normed, row * 2 * d
    )
    prepare_row(normed_operand(step), row, d, matrix)


@inner_kernel
def add_branch(step: Step, row: int) -> None:
    """Add a sub-block's result to the residual row."""
    d, work = step.sizes.d_model, step.work
    to, start = row * d, row * step.strides.branch
    for i in range(d):
        work.residual[to + i] += work.branch[start + i]
