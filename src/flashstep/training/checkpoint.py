"""Resumable training state: one file, written whole or not at all."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from flashstep.errors import ConfigError
from flashstep.model.transformer import Transformer
from flashstep.training.recipe import Recipe

FILE = "training.pt"


def save_state(
    path: Path, recipe: Recipe, step: int, tokens: int, model: Transformer,
    optimizers: dict[str, torch.optim.Optimizer], precision: torch.dtype,
) -> None:  # fmt: skip
    """Write weights, optimizer state, the type of matrix products and how many steps and tokens are done into
    folder `path`.

    Nothing else is needed to resume to the bit: batches are no state (`batches.py`) and training draws no
    random numbers.
    """
    state = {
        "recipe": asdict(recipe),
        "step": step,
        "tokens": tokens,
        "precision": str(precision).removeprefix("torch."),
        "model": model.state_dict(),
        "optimizers": {name: o.state_dict() for name, o in optimizers.items()},
    }
    write_state(path, state)


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Put `state` into the state file of folder `path`, whole or not at all."""
    partial = path / (FILE + ".partial")
    torch.save(state, partial)
    partial.replace(path / FILE)


def read_state(path: Path) -> dict[str, Any] | None:
    """What `write_state` last put into folder `path`, on the CPU; None when there is none."""
    file = path / FILE
    if not file.exists():
        return None
    state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    return state


def load_state(path: Path, recipe: Recipe) -> dict[str, Any] | None:
    """The saved state of folder `path`, or None when there is none.

    ConfigError when it belongs to another recipe, or was begun with other numbers of steps (`--scale`).
    """
    state = read_state(path)
    if state is None:
        return None
    saved = state["recipe"]
    if (saved["name"], saved.get("preset"), saved.get("vocab_size")) != (
        recipe.name, recipe.preset, recipe.vocab_size,
    ):  # fmt: skip
        raise ConfigError(
            f"{path / FILE} was made by recipe '{saved['name']}' (preset {saved.get('preset')}), not by "
            f"'{recipe.name}'; choose another --out folder"
        )
    if _lengths(saved["phases"]) != _lengths(asdict(recipe)["phases"]):
        raise ConfigError(
            f"{path / FILE} was begun with the phases {_lengths(saved['phases'])}, not with "
            f"{_lengths(asdict(recipe)['phases'])}; give the --scale that it was begun with, or another --out"
        )
    return state


def _lengths(phases: Sequence[dict[str, Any]]) -> str:
    """Names and lengths of phases: "trunk 2000 steps of 320 documents, ..."."""
    return ", ".join(f"{p['name']} {p['steps']} steps of {p['documents_per_step']} documents" for p in phases)
