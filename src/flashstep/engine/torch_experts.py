"""Routed experts with weights of 4 or 8 bits for the torch runner: 95% of the official weights are theirs,
and in int4 all of them take 125 GB.

int4: codes and scales of `kernels/quantise.py`, a bfloat16 scale for 32 inputs of a channel, 4.5 bits in all.
fp8: float8_e4m3fn with a float32 scale (peak / 448) for each block of 128 channels x 128 inputs, as in the
official FP8 checkpoint, whose codes come back as they were where it chose its scales so, too.
Everything else of the model stays bfloat16 or float32. On a CUDA device a kernel takes codes apart in
registers (`torch_grouped.py`); elsewhere the matrices of the experts that have rows are made whole again.
Shape letters: R rows sorted by expert, E experts, N outputs, K inputs, F expert width, D width.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from flashstep.errors import ConfigError
from flashstep.kernels.quantise import to_int4
from flashstep.model.mlp import swiglu
from flashstep.model.moe import Experts, MoE
from flashstep.model.transformer import Transformer

ExpertFormat = Literal["int4", "fp8"]
# Channels and inputs that share a scale.
BLOCKS: dict[ExpertFormat, tuple[int, int]] = {"int4": (1, 32), "fp8": (128, 128)}
_FP8_PEAK = 448.0


class Stack(NamedTuple):
    """One matrix of every expert. codes: fp8 [E, N, K], or two int4 codes a byte [E, N, K / 2]: byte j of a
    group's 16 has input j in its low half and input 16 + j in its high half, both plus 8. scales
    [E, N / channels, K / inputs], rounded up, of `BLOCKS`."""

    codes: Tensor
    scales: Tensor

    @property
    def expert_format(self) -> ExpertFormat:
        """Told by the type of the codes."""
        return "int4" if self.codes.dtype == torch.uint8 else "fp8"

    @property
    def num_inputs(self) -> int:
        """K."""
        return self.codes.shape[-1] * (2 if self.expert_format == "int4" else 1)


def quantise(weights: Tensor, expert_format: ExpertFormat) -> Stack:
    """The stack of float32 matrices [E, N, K] on the CPU. ConfigError where int4 has no whole groups."""
    return _int4(weights) if expert_format == "int4" else _fp8(weights)


def dequantise(stack: Stack, expert: int) -> Tensor:
    """The float32 matrix [N, K] of one expert."""
    codes, scales = stack.codes[expert], stack.scales[expert].float()
    if stack.expert_format == "int4":
        low, high = (codes & 15).int() - 8, (codes >> 4).int() - 8
        groups = torch.cat([low.unflatten(1, (-1, 16)), high.unflatten(1, (-1, 16))], dim=2)
        return (groups * scales[..., None]).flatten(1)
    return codes.float() * _spread(scales, codes.shape)


def grouped_linear(rows_RK: Tensor, stack: Stack, counts_E: Tensor) -> Tensor:
    """Each expert's rows times its transposed matrix, [R, N]; `counts_E[e]` (int32) rows are expert e's."""
    if rows_RK.is_cuda:
        from flashstep.engine.torch_grouped import grouped_product  # needs triton, which CUDA builds bring

        return grouped_product(rows_RK, stack, counts_E)
    parts = rows_RK.split(counts_E.tolist())
    made = [part @ dequantise(stack, e).to(part.dtype).mT for e, part in enumerate(parts) if len(part)]
    return torch.cat(made) if made else rows_RK.new_empty(0, stack.codes.shape[1])


class QuantisedExperts(nn.Module):
    """Takes the place of `Experts`; its stacks are filled one by one from the checkpoint."""

    def __init__(self, experts: Experts, expert_format: ExpertFormat) -> None:
        super().__init__()
        self.limit, self._format = experts.limit, expert_format
        self._stacks: dict[str, Stack] = {}

    def take(self, name: str, weights: Tensor, device: torch.device | str) -> None:
        """The float32 matrices [E, N, K] of the parameter `name`."""
        self.take_stack(name, Stack(*(part.to(device) for part in quantise(weights, self._format))))

    def take_stack(self, name: str, stack: Stack) -> None:
        """The same, rounded already and where it belongs."""
        self._stacks[name] = stack

    def forward(self, rows_RD: Tensor, counts_E: Tensor) -> Tensor:
        """As of `Experts`: rows sorted by expert -> outputs [R, D]."""
        gate_RF = grouped_linear(rows_RD, self._stacks["gate_proj"], counts_E)
        up_RF = grouped_linear(rows_RD, self._stacks["up_proj"], counts_E)
        return grouped_linear(swiglu(gate_RF, up_RF, self.limit), self._stacks["down_proj"], counts_E)


def quantise_experts(model: Transformer, expert_format: ExpertFormat) -> None:
    """Put `QuantisedExperts` into every mixture of a model whose weights are not loaded yet."""
    for module in model.modules():
        if isinstance(module, MoE):
            module.add_module("experts", QuantisedExperts(module.experts, expert_format))


def _int4(weights: Tensor) -> Stack:
    _, inputs = BLOCKS["int4"]
    if weights.shape[-1] % inputs:
        raise ConfigError(
            f"int4 experts have groups of {inputs} inputs, but a matrix has {weights.shape[-1]}; choose bf16"
        )
    codes, scales = to_int4(weights.numpy())
    halves = (torch.from_numpy(codes) + 8).to(torch.uint8).unflatten(-1, (-1, 2, 16))
    packed = (halves[..., 0, :] | halves[..., 1, :] << 4).flatten(-2)
    return Stack(packed, torch.from_numpy(scales.view("int16")).view(torch.bfloat16))


def _fp8(weights: Tensor) -> Stack:
    """Matrix after matrix: the official stacks are 6 GB each in float32."""
    channels, inputs = BLOCKS["fp8"]
    padding = (0, -weights.shape[2] % inputs, 0, -weights.shape[1] % channels)
    codes, all_scales = torch.empty(weights.shape, dtype=torch.float8_e4m3fn), []
    for own_codes, matrix in zip(codes, weights, strict=True):
        blocks = nn.functional.pad(matrix, padding).unflatten(1, (-1, inputs)).unflatten(0, (-1, channels))
        peaks = blocks.abs().amax(dim=(1, 3))
        scales = torch.where(peaks > 0, peaks / _FP8_PEAK, torch.ones_like(peaks))
        own_codes.copy_(matrix / _spread(scales, matrix.shape))
        all_scales.append(scales)
    return Stack(codes, torch.stack(all_scales))


def _spread(scales: Tensor, shape: torch.Size) -> Tensor:
    """fp8's scales [.., ..] of one matrix, one for each of its numbers."""
    channels, inputs = BLOCKS["fp8"]
    return scales.repeat_interleave(channels, 0)[: shape[0]].repeat_interleave(inputs, 1)[:, : shape[1]]
