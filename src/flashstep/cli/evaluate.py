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
    from flashstep.training.evaluation.report import Report

EPILOG = """\b
Examples:
  flashstep eval core
  flashstep eval core tools long --json result.json
  flashstep eval core --family letters --family units --n 50 --seed 1 --failures failures.jsonl
  flashstep eval long --long-tokens 8192 --long-tokens 32768 --n 20
"""


def evaluate(
    suites: Annotated[
        list[str],
        typer.Argument(
            help="core (questions, conversations), tools, long (look-up in long texts), gym (reasoning-gym)."
        ),
    ],
    n: Annotated[int, typer.Option("--n", min=1, help="Questions of each family.")] = 200,
    seed: Annotated[int, typer.Option(help="Chooses the questions, never one that training saw.")] = 0,
    family: Annotated[
        list[str] | None,
        typer.Option(show_default=False, help="Ask only this family of questions; repeatable."),
    ] = None,
    long_tokens: Annotated[
        list[int] | None,
        typer.Option(show_default="1024", min=512, help="Length of the long texts; repeatable."),
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
    temperature: Annotated[float, typer.Option(min=0.0, max=2.0, help="0 = greedy.")] = 0.0,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longer answers are cut, hence wrong.")] = 1024,
    threads: options.Threads = None,
    weight_format: options.WeightFormat = None,
    kv_memory_mib: options.KvMemory = None,
    drafts: options.Drafts = True,
) -> None:
    """Ask held-out questions of every family of some suites and check the answers."""
    from flashstep.training.evaluation.suites import families_of

    families = families_of(suites, family or ())
    folder = resolve_model_path(model)
    config = options.engine_config(
        threads=threads, weight_format=weight_format, kv_memory_mib=kv_memory_mib, drafts=drafts
    )
    params = SamplingParams(temperature=temperature, max_tokens=max_tokens, seed=seed)
    report = _evaluate(folder, config, params, n, seed, families, long_tokens or [1024])
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
    families: list[str],
    long_tokens: list[int],
) -> "Report":
    err = Console(stderr=True)
    with loading_progress(err) as report_line:
        from flashstep.chat.template import ChatTemplate
        from flashstep.chat.tokenizer import Tokenizer
        from flashstep.engine.llm import LLM
        from flashstep.training.evaluation.evaluate import evaluate
        from flashstep.training.evaluation.suites import eval_items

        tokenizer = Tokenizer.load(folder)
        template = ChatTemplate.load(folder, tokenizer)
        report_line("writing the questions")
        items = eval_items(
            families, n, seed, long_tokens=long_tokens, count_tokens=lambda t: len(tokenizer.encode_plain(t))
        )
        llm = LLM.load(
            folder, num_valid_tokens=tokenizer.vocab_size, on_progress=report_line, **asdict(config)
        )
    with llm, Progress(console=err, transient=True) as progress:
        task = progress.add_task("answering", total=None)

        def show(num_finished: int, total: int) -> None:
            progress.update(task, completed=num_finished, total=total)

        def generate(prompts: list[list[int]]) -> list[list[int]]:
            return [c.token_ids for c in llm.generate(prompts, params, progress=show)]

        return evaluate(generate, template, tokenizer, items)
