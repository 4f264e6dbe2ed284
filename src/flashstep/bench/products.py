"""What share of the CPU's peak the matrix products of a prompt reach by themselves.

A prefill step does more than multiply: attention, norms, quantising, choosing experts. These figures tell
how much of what it misses is the products' fault. Weights are random, of the model's shapes, and stay in the
cache between the tries.
"""

import numpy as np

from flashstep.bench.ceilings import Ceilings, Gang
from flashstep.bench.figure import Figure
from flashstep.bench.settings import Settings
from flashstep.engine.config import WeightFormat
from flashstep.engine.weights import StorageFormats
from flashstep.kernels.amx_linear import SLACK_ROWS
from flashstep.kernels.linear import Operand, Output, linear_alone, prepare_row
from flashstep.kernels.pack import Packer
from flashstep.kernels.spmd import Team, new_control
from flashstep.kernels.tables import Matrix
from flashstep.model.config import MoESpec

_MACS_PER_TRY = 4e9
_PADDING = 128  # numbers behind the last row that whole vectors may read


def measure_products(settings: Settings, ceilings: Ceilings) -> list[Figure]:
    """Multiply-adds per second of the products of a full step: queries, keys and values of all its rows; and
    one expert with its even share of them, if the model has experts."""
    model, rows = settings.model, settings.engine.max_batch_tokens
    layer = model.layers[-1]
    columns = (layer.num_q_heads + 2 * layer.num_kv_heads) * layer.head_dim
    shapes = {"queries, keys, values": (rows, model.d_model, columns)}
    if isinstance(layer.mlp, MoESpec):
        share = max(1, rows * layer.mlp.top_k // layer.mlp.num_experts)
        shapes["an expert"] = (share, model.d_model, 2 * layer.mlp.expert_dim)
    return [_figure(settings, ceilings, name, shape) for name, shape in shapes.items()]


def _figure(settings: Settings, ceilings: Ceilings, name: str, shape: tuple[int, int, int]) -> Figure:
    num_rows, depth, num_columns = shape
    num_threads = settings.sizes.num_threads
    product = _Product(settings.engine.weight_format, shape, num_threads)
    macs = num_rows * depth * num_columns
    repeats = max(1, round(_MACS_PER_TRY / macs))
    with Gang.of(num_threads) as gang:
        tries = gang.times_s(lambda thread: product.run(thread, repeats), settings.load.rounds)
    figure = Figure(
        name=f"product, {name}", unit="GMAC/s", samples=[macs * repeats / seconds / 1e9 for seconds in tries],
        drafting=False, details={"rows": num_rows, "depth": depth, "columns": num_columns},
    )  # fmt: skip
    name_of_peak, peak = ceilings.peak_of(settings.engine.weight_format)
    figure.of_ceiling[name_of_peak] = 1e9 * figure.median / peak
    return figure


class _Product:
    """A packed matrix, rows for it, and room for the result."""

    def __init__(self, weight_format: WeightFormat, shape: tuple[int, int, int], num_threads: int) -> None:
        num_rows, depth, num_columns = shape
        rng = np.random.default_rng(0)
        packer = Packer()
        number = packer.matrix(
            StorageFormats.of(weight_format).linear,
            rng.standard_normal((num_columns, depth)).astype(np.float32),
        )
        self.weights, matrices = packer.finish()
        self.matrix = Matrix(*(int(value) for value in matrices[number]))
        values = rng.standard_normal(num_rows * depth + _PADDING).astype(np.float32)
        chars, scales = np.zeros(values.size + SLACK_ROWS * depth, np.int8), np.zeros(num_rows, np.float32)
        self.rows = np.arange(num_rows, dtype=np.int32)
        self.operand = Operand(values, chars, scales, 0, depth, 0)
        for row in range(num_rows):
            prepare_row(self.operand, row, depth, self.matrix)
        width = self.matrix.num_columns
        self.output = Output(np.zeros(num_rows * width, np.float32), 0, width)
        self.teams = [Team(new_control(num_threads), thread, num_threads) for thread in range(num_threads)]

    def run(self, thread: int, repeats: int) -> None:
        """A thread's share of the product, so many times."""
        for _ in range(repeats):
            linear_alone(
                self.teams[thread], self.weights, self.matrix, self.operand, self.rows, len(self.rows),
                self.output,
            )  # fmt: skip
