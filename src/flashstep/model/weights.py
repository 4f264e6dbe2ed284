"""Checkpoints to and from `Transformer`, through the one table of names in `names.py`.

Every parameter is loaded and every checkpoint key consumed, or ConfigError lists the offenders
(checked by `checkpoint.py`). Files are safetensors in the official layout.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from flashstep.model.checkpoint import INDEX_FILE, Checkpoint
from flashstep.model.config import ModelConfig
from flashstep.model.names import checkpoint_tensors
from flashstep.model.transformer import Transformer


@runtime_checkable
class TakesWeights(Protocol):
    """A module in the place of one that has parameters, which keeps their values in its own way."""

    def take(self, name: str, weights: Tensor, device: torch.device | str) -> None:
        """The float32 values of the parameter `name`, on the CPU."""
        ...


def load_model(
    path: Path, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu",
    prepare: Callable[[Transformer], None] = lambda model: None,
) -> Transformer:  # fmt: skip
    """Build and load the checkpoint folder `path` in evaluation mode, tensor by tensor onto `device`.

    FP8 matrices are dequantised. The router bias stays float32 whatever `dtype` is. prepare: may put modules
    that take weights (`TakesWeights`) into the model before it has any.
    """
    config = ModelConfig.load(path)
    with torch.device("meta"):
        model = Transformer(config)
    prepare(model)
    model.to_empty(device="cpu")
    load_weights(model, path, dtype, device)
    return model.eval()


def load_weights(
    model: Transformer, path: Path, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> None:
    """Fill every parameter of `model` from the checkpoint folder, converted to `dtype`, on `device`."""
    checkpoint = Checkpoint.open(path, model.config)
    for spec in checkpoint_tensors(model.config):
        wanted = torch.float32 if spec.is_float32 else dtype
        # Stored float32 is a read-only view of the mapped file and is copied; all else is a copy already.
        values = torch.from_numpy(np.require(checkpoint.float32(spec), requirements="W"))
        owner, _, name = spec.path.rpartition(".")
        module = model.get_submodule(owner)
        if isinstance(module, TakesWeights):
            module.take(name, values, device)
        else:
            model.get_parameter(spec.path).data = values.to(device, wanted)
    for module in model.modules():  # counters that no checkpoint holds
        for buffer in module.buffers(recurse=False):
            buffer.zero_()
    model.to(device)  # these counters; the parameters are there


def save_weights(model: Transformer, path: Path, dtype: torch.dtype = torch.bfloat16) -> None:
    """Write config.json and model.safetensors (official names and layout) into folder `path`.

    The file appears whole or not at all: it is written beside its name and renamed.
    """
    path.mkdir(parents=True, exist_ok=True)
    model.config.save(path)
    tensors: dict[str, Tensor] = {}
    for spec in checkpoint_tensors(model.config):
        parameter = model.get_parameter(spec.path).detach()
        assert tuple(parameter.shape) == spec.shape, (
            f"{spec.path} is {tuple(parameter.shape)}, table says {spec.shape}"
        )
        tensors[spec.name] = parameter.to(torch.float32 if spec.is_float32 else dtype).contiguous()
    partial = path / "model.safetensors.partial"
    save_file(tensors, partial, metadata={"format": "pt"})
    partial.chmod(0o644)  # the library makes it private
    partial.replace(path / "model.safetensors")
    (path / INDEX_FILE).unlink(missing_ok=True)  # of other files, which would be read instead
