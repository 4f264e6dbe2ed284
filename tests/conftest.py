"""Shared fixtures: a toy checkpoint with random weights in the official layout, made with numpy."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # so that tests can import tests/naive

from flashstep.model import presets
from flashstep.model.config import ModelConfig
from flashstep.model.names import TensorSpec, checkpoint_tensors


def random_tensor(spec: TensorSpec, rng: np.random.Generator) -> np.ndarray:
    """Weights that exercise everything: non-zero norms, a bias that changes the chosen experts."""
    if spec.name.endswith("router_bias"):
        return rng.uniform(-0.3, 0.3, spec.shape).astype(np.float32)
    scale = 0.2 if "norm" in spec.name else 1.0 if "embed" in spec.name else 0.08
    return (rng.standard_normal(spec.shape) * scale).astype(np.float32)


@pytest.fixture(scope="session", autouse=True)
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Servers started by tests keep their traces and packed weights here and not in the developer's home."""
    path = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(path))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield path


@pytest.fixture(scope="session")
def toy_config() -> ModelConfig:
    """The toy of `model/presets.py`: 8 layers + 3 MTP, window 5."""
    return ModelConfig.from_hf(presets.toy())


@pytest.fixture(scope="session")
def toy_tensors(toy_config: ModelConfig) -> dict[str, np.ndarray]:
    """Official name -> float32 array, random with a fixed seed."""
    rng = np.random.default_rng(7)
    return {spec.name: random_tensor(spec, rng) for spec in checkpoint_tensors(toy_config)}


@pytest.fixture(scope="session")
def toy_checkpoint(toy_config, toy_tensors, tmp_path_factory) -> Path:
    """A folder with config.json and model.safetensors (float32); no tokenizer."""
    from safetensors.numpy import save_file

    path = tmp_path_factory.mktemp("toy-checkpoint")
    toy_config.save(path)
    save_file(toy_tensors, path / "model.safetensors", metadata={"format": "pt"})
    return path


@pytest.fixture(scope="session")
def built_in_prompts() -> Callable[..., list[list[int]]]:
    """(num, seed) -> so many held-out questions of all families, rendered as the server does."""
    from flashstep.chat.template import ChatTemplate
    from flashstep.chat.tokenizer import Tokenizer
    from flashstep.cli.model_path import resolve_model_path
    from flashstep.training.evaluation.suites import eval_items
    from flashstep.training.tasks.question_families import FAMILIES

    folder = resolve_model_path(None)
    template = ChatTemplate.load(folder, Tokenizer.load(folder))

    def make(num: int, seed: int) -> list[list[int]]:
        items = eval_items(tuple(FAMILIES), -(-num // len(FAMILIES)), seed=seed)[:num]
        assert len(items) == num
        return [list(template.encode(next(item.begin()))) for item in items]

    return make
