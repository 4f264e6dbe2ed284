"""A grouped product for CUDA devices that reads expert weights of 4 or 8 bits.

Rows of one expert are cut into tiles. How many tiles there may be at most follows from shapes alone, which
expert a tile belongs to is told by arrays on the device, and tiles beyond the last one do nothing: so nothing
waits for the host, and a CUDA graph can hold it. A group's codes are multiplied as whole numbers, which
the rows' type holds exactly, and only the sums are scaled. Written in Triton; run in its interpreter so far,
on a CPU, which is how the tests run it. Shape letters: R rows, E experts, N outputs, K inputs, T tiles.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from flashstep.engine.torch_experts import BLOCKS, Stack

_OUTPUTS = 64  # of one program
_FEW_ROWS, _MANY_ROWS = 16, 64  # of a tile: 16 are the least that tensor cores take


def grouped_product(rows_RK: Tensor, stack: Stack, counts_E: Tensor) -> Tensor:
    """`torch_experts.grouped_linear` on the device of the rows."""
    num_rows, num_outputs = len(rows_RK), stack.codes.shape[1]
    out_RN = rows_RK.new_empty(num_rows, num_outputs)
    if num_rows == 0:
        return out_RN
    size = _FEW_ROWS if num_rows <= _FEW_ROWS * len(counts_E) else _MANY_ROWS
    expert_T, first_T, end_T = _tiles(counts_E, num_rows, size)
    channels, inputs = BLOCKS[stack.expert_format]
    with torch.cuda.device_of(rows_RK):  # a launch goes to the thread's current device
        _multiply[(len(expert_T), triton.cdiv(num_outputs, _OUTPUTS))](
            rows_RK, stack.codes, stack.scales, out_RN, expert_T, first_T, end_T, num_outputs,
            stack.num_inputs, *stack.codes.stride()[:2], *stack.scales.stride()[:2],
            IS_INT4=stack.expert_format == "int4", CHANNELS=channels, INPUTS=inputs, ROWS=size,
            OUTPUTS=_OUTPUTS,
        )  # fmt: skip
    return out_RN


def _tiles(counts_E: Tensor, num_rows: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of each tile the expert, its first row and the end of the expert's rows, int32 [T]; an empty tile
    begins at its end."""
    num_experts = len(counts_E)
    most = num_rows // size + min(num_experts, num_rows)
    ends_E = counts_E.cumsum(0)
    last_E = ((counts_E + size - 1) // size).cumsum(0)  # tiles up to and including those of each expert
    tile_T = torch.arange(most, device=counts_E.device)
    expert_T = torch.searchsorted(last_E, tile_T, right=True).clamp(max=num_experts - 1)
    before_T = last_E[expert_T] - (counts_E[expert_T] + size - 1) // size
    end_T = ends_E[expert_T]
    first_T = (end_T - counts_E[expert_T] + (tile_T - before_T) * size).minimum(end_T)
    return expert_T.int(), first_T.int(), end_T.int()


@triton.jit
def _multiply(
    rows, codes, scales, out, experts, firsts, ends, num_outputs, num_inputs, code_expert, code_row,
    scale_expert, scale_row, IS_INT4: tl.constexpr, CHANNELS: tl.constexpr, INPUTS: tl.constexpr,
    ROWS: tl.constexpr, OUTPUTS: tl.constexpr,
):  # fmt: skip
    """One tile of rows times some outputs of its expert, group of inputs after group."""
    tile = tl.program_id(0)
    first, end, expert = tl.load(firsts + tile), tl.load(ends + tile), tl.load(experts + tile).to(tl.int64)
    if first >= end:
        return
    row = first + tl.arange(0, ROWS)
    output = tl.program_id(1) * OUTPUTS + tl.arange(0, OUTPUTS)
    is_row, is_output = row[:, None] < end, output[:, None] < num_outputs
    own_rows = rows + row.to(tl.int64)[:, None] * num_inputs
    own_codes = codes + expert * code_expert + output[:, None] * code_row
    own_scales = scales + expert * scale_expert + output // CHANNELS * scale_row
    total = tl.zeros((ROWS, OUTPUTS), tl.float32)
    for group in range(0, tl.cdiv(num_inputs, INPUTS)):
        if IS_INT4:
            half = tl.arange(0, INPUTS // 2)
            at = own_rows + group * INPUTS + half[None, :]
            low_rows = tl.load(at, mask=is_row, other=0.0)
            high_rows = tl.load(at + INPUTS // 2, mask=is_row, other=0.0)
            pairs = tl.load(own_codes + group * (INPUTS // 2) + half[None, :], mask=is_output, other=0)
            low = ((pairs & 15).to(tl.int32) - 8).to(low_rows.dtype)
            high = ((pairs >> 4).to(tl.int32) - 8).to(low_rows.dtype)
            part = tl.dot(low_rows, tl.trans(low)) + tl.dot(high_rows, tl.trans(high))
        else:
            place = group * INPUTS + tl.arange(0, INPUTS)
            is_place = place[None, :] < num_inputs
            some = tl.load(own_rows + place[None, :], mask=is_row & is_place, other=0.0)
            code = tl.load(own_codes + place[None, :], mask=is_output & is_place, other=0.0)
            part = tl.dot(some, tl.trans(code.to(some.dtype)))
        scale = tl.load(own_scales + group, mask=output < num_outputs, other=0.0).to(tl.float32)
        total += part * scale[None, :]
    place = out + row.to(tl.int64)[:, None] * num_outputs + output[None, :]
    tl.store(place, total.to(out.dtype.element_ty), mask=is_row & (output[None, :] < num_outputs))
