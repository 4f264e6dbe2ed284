"""`flashstep convert`: packs a checkpoint's weights ahead of the first start."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from flashstep.cli import options
from flashstep.cli.loading import loading_progress
from flashstep.cli.model_path import resolve_model_path
from flashstep.errors import ConfigError

EPILOG = """\b
Examples:
  flashstep convert
  flashstep convert models/big --weight-format int4
  flashstep convert models/big --out models/big
"""


def convert(
    model: Annotated[
        Path | None,
        typer.Argument(help="Checkpoint folder; the built-in model when not given.", show_default=False),
    ] = None,
    weight_format: options.WeightFormat = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", show_default=False,
            help="Write here and not to your cache; every start looks into the checkpoint's own folder.",
        ),
    ] = None,
) -> None:  # fmt: skip
    """Pack a checkpoint's weights into a file that a start maps into memory instead of reading and packing.

    A first start does the same by itself; this is for images and folders that are read only later.
    """
    folder = resolve_model_path(model, "MODEL")
    with loading_progress(Console(stderr=True)) as report:
        from flashstep.engine.config import EngineConfig
        from flashstep.engine.weight_cache import convert as convert_weights
        from flashstep.model.config import ModelConfig

        wishes = {"weight_format": weight_format} if weight_format else {}
        format_ = EngineConfig.from_options(wishes).weight_format
        report(f"packing {folder.name} as {format_}")
        try:
            path = convert_weights(folder, ModelConfig.load(folder), format_, out)
        except OSError as error:
            raise ConfigError(f"packed weights cannot be written: {error}; choose another --out") from error
    typer.echo(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
