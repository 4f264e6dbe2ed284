"""`flashstep eval`: how often a model is right, on questions whose answers a program can check."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from flashstep.cli import options
from flashstep.cli.loading import loading_progress
from flashstep.cli.model_path import resolve_model_path
from flashstep.types import SamplingParams

if TYPE_CHECKING:
    from flashstep.engine.config import EngineConfig
    from flashstep.training.evaluation import Report

EPILOG = """\b
Examples:
  flashstep eval core
  flashstep eval core --n 50 --seed 1 --failures failures.jsonl
  flashstep eval core --model out/nano --json result.json
"""

app = typer.Typer(help="Measure how often a model is right.", no_args_is_help=True)


@app.callback()
def root() -> None:
    """Measure how often a model is right."""


@app.command(epilog=EPILOG)
def core(
    n: Annotated[int, typer.Option("--n", min=1, help="Questions of each family.")] = 200,
    seed: Annotated[int, typer.Option(help="Chooses the questions, never one that training saw.")] = 0,
    family: Annotated[
        list[str] | None,
        typer.Option(show_default=False, help="Ask only this family of questions; repeatable."),
    ] = None,
    model: options.Model = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the result here.", show_default=False)
    ] = None,
    failures_file: Annotated[
        Path | None,
        typer.Option(
            "--failures", help="Write the wrong answers here, a JSON line each.", show_default=False
        ),
    ] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longer answers are cut, hence wrong.")] = 512,
    threads: options.Threads = None,
    weight_format: options.WeightFormat = None,
    drafts: options.Drafts = True,
) -> None:
    """Ask held-out questions of every family the model was trained for, greedily, and check the answers."""
    folder = resolve_model_path(model)
    config = options.engine_config(
        threads=threads, weight_format=weight_format, kv_memory_mib=None, drafts=drafts
    )
    params = SamplingParams(temperature=0, max_tokens=max_tokens)
    report = _evaluate(folder, config, params, n, seed, family, Console(stderr=True))
    Console().print(report.table())
    if json_file is not None:
        json_file.write_text(json.dumps(report.to_json(), indent=1) + "\n", encoding="utf-8")
    if failures_file is not None:
        lines = [json.dumps(asdict(failure), ensure_ascii=False) + "\n" for failure in report.failures]
        failures_file.write_text("".join(lines), encoding="utf-8")


def _evaluate(
    folder: Path,
    config: "EngineConfig",
    params: SamplingParams,
    n: int,
    seed: int,
    families: list[str] | None,
    err: Console,
) -> "Report":
    with loading_progress(err) as report_line:
        from flashstep.chat.template import ChatTemplate
        from flashstep.chat.tokenizer import Tokenizer
        from flashstep.engine.llm import LLM
        from flashstep.training.evaluation import evaluate
        from flashstep.training.tasks.registry import FAMILIES

        tokenizer = Tokenizer.load(folder)
        template = ChatTemplate.load(folder, tokenizer)
        llm = LLM.load(
            folder, num_valid_tokens=tokenizer.vocab_size, on_progress=report_line, **asdict(config)
        )
    with llm, Progress(console=err, transient=True) as progress:
        task = progress.add_task("answering", total=None)

        def show(num_finished: int, total: int) -> None:
            progress.update(task, completed=num_finished, total=total)

        def generate(prompts: list[list[int]]) -> list[list[int]]:
            return [c.token_ids for c in llm.generate(prompts, params, progress=show)]

        return evaluate(generate, template, tokenizer, families or tuple(FAMILIES), n, seed)
