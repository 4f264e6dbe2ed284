"""Which device and number type the torch runner gets, with errors that say what to do."""

import torch

from flashstep.engine.config import EXPERT_FORMATS
from flashstep.errors import ConfigError

# Of everything but experts of 4 or 8 bits, by the format of weights.
DTYPES = {
    "int4": torch.bfloat16, "fp8": torch.bfloat16, "bf16": torch.bfloat16, "float32": torch.float32,
}  # fmt: skip
# Where torch's grouped product for bfloat16 takes the experts' row counts from device memory.
_GROUPED_KERNEL_MAJORS = (9, 10)


def find_device(name: str | None) -> torch.device:
    """The device "cpu", "cuda" or "cuda:1"; None = "cuda". ConfigError when there is none such."""
    device = _parse(name or "cuda")
    if device.type == "cpu":
        return device
    if not torch.cuda.is_available():
        raise ConfigError(
            "no CUDA device can be used: check that nvidia-smi lists one and that torch is a CUDA build "
            f"(this is torch {torch.__version__}), or give --device cpu"
        )
    if (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device is '{device}', but there are {torch.cuda.device_count()} CUDA devices")
    return device


def _parse(name: str) -> torch.device:
    device: torch.device | None
    try:
        device = torch.device(name)
    except RuntimeError:  # its message lists every kind that torch has a name for
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device is {name!r}; choose cpu, cuda or cuda:1")
    return device


def check_format(device: torch.device, weight_format: str) -> None:
    """ConfigError, before anything is loaded, where a CUDA device cannot compute with experts of few bits."""
    if device.type != "cuda" or weight_format not in EXPERT_FORMATS:
        return
    try:
        import flashstep.engine.torch_grouped  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"weight_format {weight_format!r} needs triton on a GPU ({error}); install it or choose bf16"
        ) from None
    if weight_format == "fp8" and torch.cuda.get_device_capability(device) < (8, 9):
        name = torch.cuda.get_device_name(device)
        raise ConfigError(
            f"weight_format 'fp8' needs a device of capability 8.9, and {name} has less; choose int4"
        )


def captures_graphs(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether a whole decode step can be a CUDA graph: nothing in it may wait for the device. (Experts of few
    bits never do, but have been run on no device that lacks torch's kernel.)"""
    if device.type != "cuda" or dtype != torch.bfloat16:
        return False
    return torch.cuda.get_device_capability(device)[0] in _GROUPED_KERNEL_MAJORS
