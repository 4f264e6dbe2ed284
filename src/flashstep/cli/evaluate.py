"""`flashstep eval`: how often a model is right, on questions whose answers a program can check."""

import json
import logging
from collections import Counter
from dataclasses import asdict, replace
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
    from flashstep.training.evaluation.result_file import ResultFile
    from flashstep.training.tasks.base import Split

EPILOG = """\b
Examples:
  flashstep eval core
  flashstep eval core tools long gym --json > result.json
  flashstep eval core tools long --out result.json --png result.png
  flashstep eval core --family letters --family units --n 50 --seed 1 --failures failures.jsonl
  flashstep eval long --long-tokens 8192 --long-tokens 32768 --n 20
  flashstep eval core --seen --n 100
"""


def evaluate(
    suites: Annotated[
        list[str],
        typer.Argument(
            help="core (questions, conversations), tools, long (look-up in long texts), gym (reasoning-gym)."
        ),
    ],
    n: Annotated[int, typer.Option("--n", min=1, help="Questions of each family.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Chooses the questions, never one that training saw.")] = 0,
    family: Annotated[
        list[str] | None,
        typer.Option(show_default=False, help="Ask only this family of questions; repeatable."),
    ] = None,
    is_seen: Annotated[
        bool,
        typer.Option(
            "--seen",
            help="Ask what training asks instead: words, numbers and wordings of its split. Wrong there: not "
            "learned yet. Right there alone: known by heart.",
        ),
    ] = False,
    long_tokens: Annotated[
        list[int] | None,
        typer.Option(show_default="1024", min=512, help="Length of the long texts; repeatable."),
    ] = None,
    model: options.Model = None,
    is_json: Annotated[
        bool,
        typer.Option("--json", help="Print figures and wrong answers as one JSON object, for programs."),
    ] = False,
    result_file: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Write the same here after every family; the same command again goes on.",
            show_default=False,
        ),
    ] = None,
    picture_file: Annotated[
        Path | None, typer.Option("--png", help="Draw the accuracies into this picture.", show_default=False)
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
    from flashstep.training.evaluation.picture import check_drawable, draw
    from flashstep.training.evaluation.result_file import ResultFile, weights_digest
    from flashstep.training.evaluation.suites import families_of

    for flag, file in (("--out", result_file), ("--png", picture_file), ("--failures", failures_file)):
        options.check_folder_of(flag, file)
    if picture_file is not None:
        check_drawable(picture_file)
    families = families_of(suites, family or ())
    folder = resolve_model_path(model)
    lengths = long_tokens or [1024]
    config = options.engine_config(
        threads=threads, weight_format=weight_format, kv_memory_mib=kv_memory_mib, drafts=drafts
    )
    params = SamplingParams(temperature=temperature, max_tokens=max_tokens, seed=seed)
    settings = {
        "weights": weights_digest(folder), "weight_format": config.weight_format, "n": n, "seed": seed,
        "temperature": temperature, "max_tokens": max_tokens, "long_tokens": lengths,
        **({"split": "train"} if is_seen else {}),
    }  # fmt: skip
    results = ResultFile(result_file, settings)
    missing = [name for name in families if name not in results]
    split: Split = "train" if is_seen else "eval"
    if missing:
        _evaluate(folder, config, params, n, seed, split, missing, lengths, results)
    report = results.report(families)
    asked = "questions as training asks" if is_seen else "held-out questions"
    if is_json:
        print(results.to_text(families))
    else:
        Console().print(report.table(asked))
    if picture_file is not None:
        draw(report, picture_file, asked)
    if failures_file is not None:
        lines = [json.dumps(asdict(failure), ensure_ascii=False) + "\n" for failure in report.failures]
        failures_file.write_text("".join(lines), encoding="utf-8")


def _evaluate(
    folder: Path,
    config: "EngineConfig",
    params: SamplingParams,
    n: int,
    seed: int,
    split: "Split",
    families: list[str],
    long_tokens: list[int],
    results: "ResultFile",
) -> None:
    """Ask family after family and keep each report in `results`."""
    # A wrong call is a wrong answer here, and counted; a warning for each would bury the table.
    logging.getLogger("flashstep.chat").setLevel(logging.ERROR)
    err = Console(stderr=True)
    with loading_progress(err) as report_line:
        from flashstep.chat.template import ChatTemplate
        from flashstep.chat.tokenizer import Tokenizer
        from flashstep.engine.llm import LLM
        from flashstep.training.evaluation.evaluate import Reply, evaluate
        from flashstep.training.evaluation.item import turn_seed
        from flashstep.training.evaluation.suites import eval_items

        tokenizer = Tokenizer.load(folder)
        template = ChatTemplate.load(folder, tokenizer)
        llm = LLM.load(
            folder, num_valid_tokens=tokenizer.vocab_size, on_progress=report_line, **asdict(config)
        )

    def count_tokens(text: str) -> int:
        return len(tokenizer.encode_plain(text))

    with llm, Progress(console=err, transient=True) as progress:
        task = progress.add_task("", total=len(families))

        rounds: Counter[str] = Counter()

        def generate(prompts: list[list[int]]) -> list[Reply]:
            # Each answer is drawn by itself: with one seed for all, the wrong draws would come together.
            rounds[name] += 1
            turns = (f"{params.seed}:{name}:{rounds[name]}:{i}" for i in range(len(prompts)))
            own = [replace(params, seed=turn_seed(turn)) for turn in turns]
            return [Reply(c.token_ids, c.is_whole) for c in llm.generate(prompts, own)]

        for name in families:
            progress.update(task, description=name)
            items = eval_items(
                [name], n, seed, split=split, long_tokens=long_tokens, count_tokens=count_tokens
            )
            results.add(name, evaluate(generate, template, tokenizer, items, split=split))
            progress.advance(task)
