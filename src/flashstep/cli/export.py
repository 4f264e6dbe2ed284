"""`flashstep export`: a checkpoint as one file for llama.cpp."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import Progress

from flashstep.cli import options
from flashstep.cli.model_path import resolve_model_path
from flashstep.errors import ConfigError, how_to_install

EPILOG = """\b
Examples:
  flashstep export --out flashstep-nano.gguf
  flashstep export models/big --out big-q8_0.gguf --type q8_0
  llama-server -m flashstep-nano.gguf --jinja
"""


def export(
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.", show_default=False)],
    model: Annotated[
        Path | None,
        typer.Argument(help="Checkpoint folder; the built-in model when not given.", show_default=False),
    ] = None,
    gguf_type: Annotated[
        Literal["f32", "bf16", "q8_0"], typer.Option("--type", help="How matrices are stored.")
    ] = "bf16",
) -> None:  # fmt: skip
    """Write a checkpoint as a GGUF file (model, tokenizer, chat template) for llama.cpp and what uses it.

    Other quantisations are made from it by llama.cpp's own llama-quantize.
    """
    folder = resolve_model_path(model, "MODEL")
    options.check_folder_of("--out", out)
    try:
        from flashstep.export.gguf import write_gguf
    except ImportError as error:
        raise ConfigError(f"GGUF files need the package gguf; {how_to_install('gguf')}") from error
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"{folder.name} as {gguf_type}")
        try:
            write_gguf(folder, out, gguf_type, lambda n, total: bar.update(task, completed=n, total=total))
        except OSError as error:
            raise ConfigError(f"{out} cannot be written: {error}; choose another --out") from error
    typer.echo(f"{out} ({out.stat().st_size / 1e6:.1f} MB)")
