"""Where a run computes, and in which number type."""

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from flashstep.engine.torch_device import find_device

_TRIES = 20


@dataclass(frozen=True, slots=True)
class Compute:
    """A device, and the type of matrix products. Weights, gradients and optimizers are float32 either way."""

    device: torch.device
    dtype: torch.dtype

    @property
    def muon_dtype(self) -> torch.dtype:
        """The type of Muon's products. A GPU has float16, whose ten bits keep small singular values; with the
        seven of bfloat16 the training of Step 3.5 had spikes. A CPU has no fast float16."""
        is_lowered_on_gpu = self.device.type == "cuda" and self.dtype == torch.bfloat16
        return torch.float16 if is_lowered_on_gpu else self.dtype

    def lowered(self) -> AbstractContextManager[None]:
        """A context in which matrix products are computed in `dtype`."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16)


def find_compute(device: str, precision: str) -> Compute:
    """device: "cpu", "cuda" or "cuda:1"; precision: "bfloat16", "float32" or "auto", which is what
    the device multiplies faster. ConfigError when there is no such device."""
    found = find_device(device)
    lowers = _multiplies_bfloat16(found) if precision == "auto" else precision == "bfloat16"
    return Compute(found, torch.bfloat16 if lowers else torch.float32)


def _multiplies_bfloat16(device: torch.device) -> bool:
    """Are products in bfloat16 faster than in float32? Measured on a CPU: with the same AVX-512 instructions
    for it some are twice as fast and some half as fast, and without any, much slower."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several wait for one that another program disturbs
    try:
        times = [(_product_s(torch.bfloat16), _product_s(torch.float32)) for _ in range(_TRIES)]
    finally:
        torch.set_num_threads(num_threads)
    bfloat16_s, float32_s = (min(column) for column in zip(*times, strict=True))
    return bfloat16_s < float32_s


def _product_s(dtype: torch.dtype) -> float:
    """Seconds that a product of a layer's size takes."""
    rows, weights = torch.ones(1024, 256, dtype=dtype), torch.ones(512, 256, dtype=dtype)
    started = time.perf_counter()
    rows @ weights.T
    return time.perf_counter() - started
