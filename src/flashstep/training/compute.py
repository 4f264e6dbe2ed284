"""Where a run computes, and in which number type."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from flashstep.engine.torch_device import find_device


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
    """device: "cpu", "cuda" or "cuda:1"; precision: "bfloat16", "float32" or "auto", which is bfloat16 where
    the device has instructions for it. ConfigError when there is no such device."""
    found = find_device(device)
    lowers = _multiplies_bfloat16(found) if precision == "auto" else precision == "bfloat16"
    return Compute(found, torch.bfloat16 if lowers else torch.float32)


def _multiplies_bfloat16(device: torch.device) -> bool:
    """Without such instructions bfloat16 is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
