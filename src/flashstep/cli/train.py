"""`flashstep train`: runs a training recipe; needs the extra `train` (torch)."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from flashstep.cli import options
from flashstep.errors import ConfigError, how_to_install

EPILOG = """\b
Examples:
  flashstep train nano-cpu --out out/nano
  flashstep train nano-cpu --out out/nano --minutes 30
  flashstep train nano-cpu --out out/nano --from out/older
  flashstep train nano-gpu --out out/nano --device cuda --compile --scale 0.5
  flashstep train nano-rl --from out/nano --out out/nano-rl
  flashstep ask --model out/nano "Which is larger, 9.11 or 9.9?"
"""


STOPPED = 75  # "try again" in sysexits.h: what follows in a script must not take the run for finished


def train(
    recipe: Annotated[
        str, typer.Argument(help="nano-cpu, nano-gpu, nano-world, nano-rl, smoke or smoke-rl.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the checkpoint and the run's records.")
    ],
    start_over: Annotated[
        bool, typer.Option("--start-over", help="Discard the unfinished run in --out instead of resuming it.")
    ] = False,
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0.0, help="Stop after this long; run again to go on.")
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Begin with the weights of this checkpoint folder. Reinforcement learning needs one and "
            "keeps its tokenizer; in pretraining it may have another. Sizes are the recipe's.",
            show_default="random weights",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    compiles: Annotated[
        bool,
        typer.Option(
            "--compile",
            help="Compile the layers first: minutes, then faster (not in bf16 on a CPU). Needs a compiler.",
        ),
    ] = False,
    device: Annotated[
        str, typer.Option("--device", help="Where to compute: cpu, cuda or cuda:1. Not for nano-rl.")
    ] = "cpu",
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=0,
            help="Processes that make batches ahead. Not for nano-rl.",
            show_default="one on the CPU, else one per core but one",
        ),
    ] = None,
    scale: Annotated[
        float,
        typer.Option(
            "--scale", min=0.001, help="Times the steps of every phase, to fit a recipe to the time there is."
        ),
    ] = 1.0,
    threads: options.Threads = None,
) -> None:
    """Train a model; the folder ends up a checkpoint that every command here loads. Exit code 75: stopped
    before its end."""
    if find_spec("torch") is None:
        raise ConfigError(f"training needs torch, which is not installed; {how_to_install('train')}")
    from flashstep.training.rl.recipe import RLRecipe, find_recipe

    found = find_recipe(recipe).scaled(scale)  # a wrong name is reported before torch is loaded
    if start is not None and not start_over and (out / "training.pt").exists():
        typer.echo(f"going on with the run in {out} and its weights; --from is for a new run", err=True)
    if isinstance(found, RLRecipe):
        from flashstep.training.rl.run import rl_command

        if device != "cpu" or workers is not None:
            raise ConfigError(f"{recipe} takes no --device and no --workers: its engine samples on the CPU")
        is_finished = rl_command(
            found, out, start, resume=not start_over, minutes=minutes, threads=threads, compiles=compiles
        )
    else:
        from flashstep.engine.config import usable_cores
        from flashstep.training.run import train_command

        if workers is None:
            workers = 1 if device == "cpu" else max(1, usable_cores() - 1)
        is_finished = train_command(
            found, out, resume=not start_over, minutes=minutes, threads=threads, start=start,
            compiles=compiles, device=device, num_workers=workers,
        )  # fmt: skip
    if not is_finished:
        typer.echo(f"stopped before the end of the recipe; the same command goes on from {out}", err=True)
        raise typer.Exit(STOPPED)
