"""`flashstep bench`: how fast a model runs on this machine, beside what the machine could do."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from flashstep.cli import options
from flashstep.cli.loading import loading_progress
from flashstep.cli.model_path import resolve_model_path

EPILOG = """\b
Examples:
  flashstep bench latency
  flashstep bench latency --no-drafts
  flashstep bench all --model ./my-checkpoint --out result.json
  flashstep bench throughput --streams 8 --rounds 9

\b
latency     one stream: first token, then tokens per second
throughput  many streams at once
prefill     a long prompt
context     a decode step behind 1024 tokens, 4096, ... up to --longest-context
server      many streams, engine alone against HTTP
"""


def bench(
    mode: Annotated[
        Literal["latency", "throughput", "prefill", "context", "server", "all"],
        typer.Argument(help="What to measure; see below.", show_default=True),
    ] = "all",
    model: options.Model = None,
    runner: options.Runner = "cpu",
    device: options.Device = None,
    threads: options.Threads = None,
    weight_format: options.WeightFormat = None,
    kv_memory_mib: options.KvMemory = None,
    drafts: options.Drafts = True,
    prompt_tokens: Annotated[int, typer.Option(min=1, help="Tokens of each prompt.")] = 128,
    output_tokens: Annotated[int, typer.Option(min=2, help="Tokens of each answer.")] = 256,
    streams: Annotated[int, typer.Option(min=1, help="Requests at once, where there are many.")] = 32,
    long_prompt: Annotated[int, typer.Option(min=1, help="Tokens of the prompt of `prefill`.")] = 4096,
    longest_context: Annotated[int, typer.Option(min=1, help="Tokens, where `context` ends.")] = 131072,
    rounds: Annotated[
        int, typer.Option(min=1, help="Samples of each figure; a first one is not counted.")
    ] = 5,
    result_file: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the JSON here too.", show_default=False)
    ] = None,
) -> None:
    """Measure the machine, then the model on it. Prints median, min and max, and at last one JSON line."""
    folder = resolve_model_path(model)
    options.check_folder_of("--out", result_file)
    engine = options.engine_config(
        threads=threads,
        weight_format=weight_format,
        kv_memory_mib=kv_memory_mib,
        drafts=drafts,
        runner=runner,
        device=device,
    )
    out = Console(highlight=False, markup=False, soft_wrap=True)
    with loading_progress(Console(stderr=True)) as report:
        report("starting the engine")
        from flashstep.bench.run import ceilings_of, measure, result
        from flashstep.bench.settings import MODES, Load, Settings

        load = Load(
            prompt_tokens=prompt_tokens, output_tokens=output_tokens, streams=streams,
            long_prompt=long_prompt, longest_context=longest_context, rounds=rounds,
        )  # fmt: skip
        modes = MODES if mode == "all" else (mode,)
        settings = Settings.check(folder, engine, load, modes)
        report("measuring the machine")
        ceilings = ceilings_of(settings)
        out.print(f"ceilings, {ceilings.num_threads} threads", *ceilings.lines(), sep="\n  ")
        figures = []
        out.print(f"{folder.resolve().name}, {engine.weight_format} weights")
        for figure in measure(settings, modes, ceilings, report):
            out.print(f"  {figure.line()}")
            figures.append(figure)
    line = json.dumps(result(settings, ceilings, figures))
    typer.echo(line)  # first: minutes of work are not lost to a file that cannot be written
    if result_file is not None:
        result_file.write_text(line + "\n", encoding="utf-8")
