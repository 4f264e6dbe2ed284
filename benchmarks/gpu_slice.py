"""How fast the torch runner decodes the official sizes, from as many layers as one device holds.

Of each kind of layer (full or sliding attention, dense or MoE with all its experts) as many as fit are
built with random weights, and a decode step over them is timed: upload, the padded step (a CUDA graph
where the device can capture it), download of logits. A step without layers gives embedding and head. Then

    layer_s = (step_s(n layers) - step_s(no layers)) / n
    token step of the whole model = step_s(no layers) + sum over kinds of number * layer_s

The floor is the bytes that the step must read (matrices, the experts that the batch chose, K/V in the
context) over the bandwidth that this device reaches in a large copy. Both suppose a device that holds the
whole model. Sampling and scheduling are not in it.

usage: python benchmarks/gpu_slice.py [--preset step35_flash] [--device cuda] [--batch 1 8 32]
           [--context 4096] [--rounds 20] [--weight-format bf16|int4|fp8] [--memory-gib N] [--out FILE]
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from provenance import provenance

from flashstep.bench.work import BYTES_PER_WEIGHT, head_weights, weights_read
from flashstep.engine.batch import Batch, Int32
from flashstep.engine.config import TORCH_WEIGHT_FORMATS, WeightFormat
from flashstep.engine.runner_torch import TorchRunner
from flashstep.engine.torch_device import DTYPES, captures_graphs, find_device
from flashstep.engine.torch_experts import BLOCKS, QuantisedExperts, Stack, quantise_experts
from flashstep.errors import ConfigError
from flashstep.model import presets
from flashstep.model.config import LayerSpec, ModelConfig, MoESpec
from flashstep.model.moe import Router
from flashstep.model.names import checkpoint_tensors
from flashstep.model.transformer import Transformer

BLOCK_SIZE = 16
_WARM_UPS = 3  # the first captures the graph
_COPY_BYTES = {"cuda": 4 << 30, "cpu": 64 << 20}


@dataclass(frozen=True, slots=True)
class Setting:
    """What is measured on what."""

    config: ModelConfig
    device: torch.device
    weight_format: WeightFormat
    context: int
    rounds: int
    memory_bytes: int

    @property
    def dtype(self) -> torch.dtype:
        """Of everything but experts of 4 or 8 bits."""
        return DTYPES[self.weight_format]

    @property
    def expert_bytes(self) -> float:
        """Bytes of one weight of an expert."""
        return BYTES_PER_WEIGHT[self.weight_format]


@dataclass(frozen=True, slots=True)
class Sample:
    """One timed step: median seconds, and for each MoE layer how many experts the batch chose, on average."""

    seconds: float
    num_experts: float


def kind_name(layer: LayerSpec) -> str:
    """For example "sliding MoE"."""
    attention = "sliding" if layer.is_sliding else "full"
    return f"{attention} {'MoE' if isinstance(layer.mlp, MoESpec) else 'dense'}"


def kinds(config: ModelConfig) -> dict[str, list[LayerSpec]]:
    """The trunk's layers by kind, in the order in which the kinds appear."""
    found: dict[str, list[LayerSpec]] = {}
    for layer in config.layers:
        found.setdefault(kind_name(layer), []).append(layer)
    return found


def weight_bytes(setting: Setting, config: ModelConfig) -> int:
    """Bytes of all tensors of a model in the setting's format."""
    specs = [(np.prod(spec.shape), ".experts." in spec.path) for spec in checkpoint_tensors(config)]
    return int(sum(n * (setting.expert_bytes if routed else setting.dtype.itemsize) for n, routed in specs))


def read_bytes(setting: Setting, layer: LayerSpec, num_sequences: int, num_experts: float) -> float:
    """Bytes that one layer must read in one decode step: matrices once, K/V of each sequence."""
    d, routed = setting.config.d_model, 0.0
    others = float(weights_read(layer, d))
    if isinstance(layer.mlp, MoESpec):
        routed = 3 * num_experts * layer.mlp.expert_dim * d
        others -= 3 * layer.mlp.top_k * layer.mlp.expert_dim * d
    positions = min(setting.context, layer.window_tokens or setting.context)
    cached = 2 * num_sequences * positions * layer.num_kv_heads * layer.head_dim
    return (others + cached) * setting.dtype.itemsize + routed * setting.expert_bytes


def build(setting: Setting, layers: Sequence[LayerSpec]) -> Transformer:
    """A model of these layers with random weights of the scale of a fresh one; no MTP modules."""
    with torch.device("meta"):
        model = Transformer(replace(setting.config, layers=tuple(layers), mtp=()))
    stacks: dict[str, torch.Size] = {}
    if setting.weight_format in BLOCKS:
        stacks = {name: p.shape for name, p in model.named_parameters() if ".experts." in name}
        quantise_experts(model, setting.weight_format)
    model = model.to(setting.dtype).to_empty(device=setting.device).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, parameter.shape[-1] ** -0.5)
            else:
                parameter.zero_()
    for name, shape in stacks.items():
        owner, _, matrix = name.rpartition(".")
        experts = cast(QuantisedExperts, model.get_submodule(owner))
        experts.take_stack(matrix, random_stack(shape, setting.weight_format, setting.device))
    return model


def random_stack(shape: torch.Size, weight_format: WeightFormat, device: torch.device) -> Stack:
    """Codes and one scale for all, of the scale of fresh weights; rounding real ones would take minutes."""
    experts, outputs, inputs = shape
    channels, group = BLOCKS[weight_format]
    sizes = (experts, -(-outputs // channels), -(-inputs // group))
    width = inputs // 2 if weight_format == "int4" else inputs
    codes = torch.randint(0, 256, (experts, outputs, width), dtype=torch.uint8, device=device)
    if weight_format == "int4":
        return Stack(codes, torch.full(sizes, inputs**-0.5 / 4, dtype=torch.bfloat16, device=device))
    # Without the exponent's highest bit no code is infinite or no number; all other bits are random.
    codes &= 0b1011_1111
    return Stack(codes.view(torch.float8_e4m3fn), torch.full(sizes, inputs**-0.5, device=device))


def measure(setting: Setting, layers: Sequence[LayerSpec], num_sequences: int) -> Sample:
    """Median seconds of a decode step over `layers`, every sequence at the end of its context."""
    num_full = -(-setting.context // BLOCK_SIZE)
    model = build(setting, layers)
    runner = TorchRunner(
        model, block_size=BLOCK_SIZE, num_full_blocks=num_sequences * num_full,
        num_sliding_blocks=num_sequences * num_full, max_batch_tokens=num_sequences,
        max_sequences=num_sequences,
    )  # fmt: skip
    batch = last_tokens(setting, num_sequences, num_full)
    try:
        num_experts = experts_chosen(model, runner, batch)
        times = [timed(runner, batch) for _ in range(_WARM_UPS + setting.rounds)][_WARM_UPS:]
    finally:
        runner.close()
        if setting.device.type == "cuda":
            torch.cuda.empty_cache()
    return Sample(statistics.median(times), num_experts)


def last_tokens(setting: Setting, num_sequences: int, num_blocks: int) -> Batch:
    """One row of each sequence, random tokens, blocks of its own."""
    rng = np.random.default_rng(1)
    rows: Int32 = np.arange(num_sequences + 1, dtype=np.int32)
    tables = np.arange(num_sequences * num_blocks, dtype=np.int32).reshape(num_sequences, num_blocks)
    token_ids = rng.integers(0, setting.config.vocab_size, num_sequences).astype(np.int32)
    positions = np.full(num_sequences, setting.context - 1, np.int32)
    return Batch(token_ids, positions, rows, tables, tables, rows[:-1])


def timed(runner: TorchRunner, batch: Batch) -> float:
    """Seconds of one step; its results come back to the host, so it has ended."""
    start = time.perf_counter()
    runner.forward(batch)
    return time.perf_counter() - start


def experts_chosen(model: Transformer, runner: TorchRunner, batch: Batch) -> float:
    """Distinct experts per MoE layer that the batch chose."""
    counts: list[int] = []
    routers = [module for module in model.modules() if isinstance(module, Router)]

    def note(_module: torch.nn.Module, _inputs: Any, output: tuple[torch.Tensor, torch.Tensor]) -> None:
        if len(counts) < len(routers):  # behind the first pass, a graph may be captured: no reading then
            counts.append(len(output[0].unique()))

    hooks = [router.register_forward_hook(note) for router in routers]
    runner.forward(batch)
    for hook in hooks:
        hook.remove()
    return statistics.fmean(counts) if counts else 0.0


def how_many_fit(setting: Setting, layer: LayerSpec, most: int, num_sequences: int) -> int:
    """Layers of one kind beside embedding and head; ConfigError when not even one fits."""
    empty = replace(setting.config, layers=(), mtp=())
    one = replace(setting.config, layers=(layer,), mtp=())
    base_bytes = weight_bytes(setting, empty)
    blocks = num_sequences * -(-setting.context // BLOCK_SIZE) + 1
    cache_bytes = 2 * blocks * BLOCK_SIZE * layer.num_kv_heads * layer.head_dim * setting.dtype.itemsize
    layer_bytes = weight_bytes(setting, one) - base_bytes + cache_bytes
    fitting = (setting.memory_bytes - base_bytes) // layer_bytes
    if fitting < 1:
        raise ConfigError(
            f"a {kind_name(layer)} layer takes {layer_bytes} bytes beside {base_bytes} of embedding and "
            f"head, but there are {setting.memory_bytes}: take a larger device or a shorter context"
        )
    return min(int(fitting), most)


def bandwidth(device: torch.device) -> float:
    """Bytes per second read and written in a large copy, the best of 9."""
    source = torch.ones(_COPY_BYTES[device.type], dtype=torch.uint8, device=device)
    target, times = torch.empty_like(source), []
    for _ in range(9):
        start = time.perf_counter()
        target.copy_(source)
        int(target[-1])  # waits for the copy
        times.append(time.perf_counter() - start)
    return 2 * source.nbytes / min(times)


def extrapolate(setting: Setting, num_sequences: int, bytes_per_s: float) -> dict[str, Any]:
    """Figures of one batch size: seconds and floor of each kind of layer, and of the whole model."""
    empty = measure(setting, (), num_sequences)
    head_bytes = head_weights(setting.config) * setting.dtype.itemsize
    step_s, step_bytes, rows = empty.seconds, float(head_bytes), []
    for name, layers in kinds(setting.config).items():
        num_built = how_many_fit(setting, layers[0], len(layers), num_sequences)
        sample = measure(setting, layers[:num_built], num_sequences)
        layer_s = (sample.seconds - empty.seconds) / num_built
        layer_bytes = read_bytes(setting, layers[0], num_sequences, sample.num_experts)
        step_s += len(layers) * layer_s
        step_bytes += len(layers) * layer_bytes
        rows.append(
            {
                "kind": name, "number": len(layers), "num_built": num_built, "step_s": sample.seconds,
                "layer_s": layer_s, "experts_chosen": sample.num_experts, "read_bytes": layer_bytes,
                "floor_s": layer_bytes / bytes_per_s,
            }
        )  # fmt: skip
    floor_s = step_bytes / bytes_per_s
    return {
        "num_sequences": num_sequences, "without_layers_s": empty.seconds, "head_bytes": head_bytes,
        "layers": rows, "step_s": step_s, "floor_s": floor_s, "tokens_per_s": num_sequences / step_s,
        "floor_tokens_per_s": num_sequences / floor_s, "of_floor": floor_s / step_s,
    }  # fmt: skip


def arithmetic(result: dict[str, Any]) -> list[str]:
    """The sum of one batch size, line by line."""
    lines = [f"{result['num_sequences']} sequences, milliseconds:"]
    lines.append(f"  embedding and head: {1e3 * result['without_layers_s']:.3f}")
    for row in result["layers"]:
        lines.append(
            f"  {row['kind']}: ({1e3 * row['step_s']:.3f} - {1e3 * result['without_layers_s']:.3f}) / "
            f"{row['num_built']} = {1e3 * row['layer_s']:.3f} each, x {row['number']}; "
            f"floor {row['read_bytes'] / 1e6:.2f} MB = {1e3 * row['floor_s']:.3f} each"
        )
    return [
        *lines,
        f"  sum {1e3 * result['step_s']:.3f} = {result['tokens_per_s']:,.1f} tokens/s; floor "
        f"{1e3 * result['floor_s']:.3f} = {result['floor_tokens_per_s']:,.1f} tokens/s; "
        f"the floor is {result['of_floor']:.0%} of the step",
    ]


def usable_memory(device: torch.device) -> int:
    """Nine tenths of what is free on the device; half of it on the CPU, which others use too."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] * 9 // 10
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES") // 2


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", choices=["step35_flash", "nano", "toy"], default="step35_flash")
    parser.add_argument("--device")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--context", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--weight-format", choices=TORCH_WEIGHT_FORMATS, default="bf16")
    parser.add_argument("--memory-gib", type=float)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def main() -> None:
    """Measure, print, write."""
    args = parse()
    device = find_device(args.device)
    memory_bytes = int(args.memory_gib * 2**30) if args.memory_gib else usable_memory(device)
    config = ModelConfig.from_hf(getattr(presets, args.preset)())
    setting = Setting(config, device, args.weight_format, args.context, args.rounds, memory_bytes)
    bytes_per_s = bandwidth(device)
    whole_bytes = weight_bytes(setting, config)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    print(f"{args.preset} on {name}: {whole_bytes / 1e9:.3f} GB of weights, MTP modules included")
    graphs = (
        "for the shapes that an engine has them for" if captures_graphs(device, setting.dtype) else "none"
    )
    print(f"copies run at {bytes_per_s / 1e9:.1f} GB/s; CUDA graphs: {graphs}")
    results = []
    for num_sequences in args.batch:
        results.append(extrapolate(setting, num_sequences, bytes_per_s))
        print(*arithmetic(results[-1]), sep="\n")
    options = {key: value for key, value in vars(args).items() if key != "out"}
    result = provenance() | {
        "benchmark": "gpu_slice", "device_name": name, "torch": torch.__version__, "options": options,
        "bandwidth_bytes_per_s": bytes_per_s, "whole_model_bytes": whole_bytes, "results": results,
    }  # fmt: skip
    print(json.dumps(result))
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
