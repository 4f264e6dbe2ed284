"""`flashstep eval`: how often a model is right, on questions whose answers a program can check."""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from flashstep.cli import options
from flashstep.cli.loading import loading_progress
from flashstep.cli.model_path import resolve_model_path
from flashstep.errors import ConfigError
from flashstep.types import SamplingParams

if TYPE_CHECKING:
    from flashstep.chat.tokenizer import Tokenizer
    from flashstep.engine.config import EngineConfig
    from flashstep.training.evaluation.result_file import ResultFile
    from flashstep.training.evaluation.turn import Answer
    from flashstep.training.tasks.base import Split

EPILOG = """\b
Examples:
  flashstep eval core
  flashstep eval core tools long gym --json > result.json
  flashstep eval core tools long --out result.json --png result.png
  flashstep eval core --family letters --family units --n 50 --seed 1 --failures failures.jsonl
  flashstep eval long --long-tokens 8192 --long-tokens 32768 --n 20
  flashstep eval core --seen --n 100
  flashstep eval core tools --base-url http://127.0.0.1:8000/v1
  OPENAI_API_KEY=... flashstep eval core --base-url https://HOST/v1 --api-model NAME --max-tokens 16384
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
    base_url: Annotated[
        str | None,
        typer.Option(
            show_default=False,
            help="Ask a server with an OpenAI-compatible API, by its address with /v1; its key is the "
            "environment's OPENAI_API_KEY. --model then says only whose tokenizer measures texts.",
        ),
    ] = None,
    api_model: Annotated[
        str | None,
        typer.Option(help="Name of the model behind --base-url.", show_default="step-3.5-flash"),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Most requests at once to --base-url.", show_default="32")
    ] = None,
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
    from flashstep.training.evaluation.result_file import ResultFile
    from flashstep.training.evaluation.suites import families_of

    for flag, file in (("--out", result_file), ("--png", picture_file), ("--failures", failures_file)):
        options.check_folder_of(flag, file)
    if picture_file is not None:
        check_drawable(picture_file)
    families = families_of(suites, family or ())
    folder = resolve_model_path(model)
    lengths = list(dict.fromkeys(long_tokens or [1024]))
    params = SamplingParams(temperature=temperature, max_tokens=max_tokens, seed=seed)
    asked_of: _InProcess | _Server
    if base_url is None:
        _refuse("it belongs to a server, add --base-url", api_model=api_model, concurrency=concurrency)
        config = options.engine_config(
            threads=threads, weight_format=weight_format, kv_memory_mib=kv_memory_mib, drafts=drafts
        )
        asked_of = _InProcess(folder, params, config)
    else:
        _refuse(
            "a server has its own, leave it out with --base-url", threads=threads,
            weight_format=weight_format, kv_memory_mib=kv_memory_mib, no_drafts=None if drafts else True,
        )  # fmt: skip
        asked_of = _Server(folder, params, base_url, api_model or "step-3.5-flash", concurrency or 32)
    settings = {
        **asked_of.settings, "n": n, "seed": seed,
        "temperature": temperature, "max_tokens": max_tokens, "long_tokens": lengths,
        **({"split": "train"} if is_seen else {}),
    }  # fmt: skip
    results = ResultFile(result_file, settings)
    missing = [name for name in families if name not in results]
    split: Split = "train" if is_seen else "eval"
    if missing:
        _evaluate(asked_of, n, seed, split, missing, lengths, results)
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


def _refuse(why: str, **flags: object) -> None:
    for name, value in flags.items():
        if value is not None:
            flag = f"--{name.replace('_', '-')}"
            shown = flag if value is True else f"{flag} {value}"
            raise ConfigError(f"{shown}: {why}")


@dataclass(frozen=True)
class _InProcess:
    """The model in an engine of this process."""

    folder: Path
    params: SamplingParams
    config: "EngineConfig"

    @property
    def settings(self) -> dict[str, str]:
        from flashstep.training.evaluation.result_file import content_digest

        return {"weights": content_digest(self.folder), "weight_format": self.config.weight_format}

    @contextmanager
    def answers(
        self, tokenizer: "Tokenizer", err: Console, on_turn: Callable[[], None]
    ) -> Iterator["Answer"]:
        from flashstep.chat.template import ChatTemplate
        from flashstep.engine.llm import LLM
        from flashstep.training.evaluation.engine_answers import engine_answers

        template = ChatTemplate.load(self.folder, tokenizer)
        with loading_progress(err) as report_line:
            llm = LLM.load(
                self.folder,
                num_valid_tokens=tokenizer.vocab_size,
                on_progress=report_line,
                **asdict(self.config),
            )
        with llm:
            yield engine_answers(llm, template, tokenizer, self.params)


@dataclass(frozen=True)
class _Server:
    """A model behind an API."""

    folder: Path
    params: SamplingParams
    base_url: str
    model: str
    concurrency: int

    @property
    def settings(self) -> dict[str, str]:
        tokenizer = (self.folder / "tokenizer.json").read_bytes()  # it measures texts and reasoning
        digest = hashlib.sha256(tokenizer).hexdigest()[:16]
        return {"base_url": self.base_url, "model": self.model, "tokenizer": digest}

    @contextmanager
    def answers(
        self, tokenizer: "Tokenizer", err: Console, on_turn: Callable[[], None]
    ) -> Iterator["Answer"]:
        from flashstep.training.evaluation.endpoint import Endpoint

        with Endpoint(
            self.base_url, self.model, self.params, lambda text: len(tokenizer.encode_plain(text)),
            api_key=os.environ.get("OPENAI_API_KEY"), concurrency=self.concurrency, on_turn=on_turn,
        ) as endpoint:  # fmt: skip
            yield endpoint


def _evaluate(
    asked_of: _InProcess | _Server,
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
    from flashstep.chat.tokenizer import Tokenizer
    from flashstep.training.evaluation.evaluate import evaluate
    from flashstep.training.evaluation.suites import eval_items

    tokenizer = Tokenizer.load(asked_of.folder)

    def count_tokens(text: str) -> int:
        return len(tokenizer.encode_plain(text))

    progress = Progress(console=err, transient=True)
    task = progress.add_task("", total=len(families))
    turns = count(1)

    def on_turn() -> None:
        progress.update(task, description=f"{name}, turn {next(turns)}")

    with asked_of.answers(tokenizer, err, on_turn) as answer, progress:
        for name in families:
            progress.update(task, description=name)
            items = eval_items(
                [name], n, seed, split=split, long_tokens=long_tokens, count_tokens=count_tokens
            )
            results.add(name, evaluate(answer, items, split=split, seed=seed))
            progress.advance(task)
