"""`flashstep train`: prepare the run's folder, train with a progress display, export the checkpoint."""

import itertools
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from flashstep.chat.template import builtin_template
from flashstep.chat.tokenizer import Tokenizer
from flashstep.errors import ConfigError
from flashstep.model.attention import Attention
from flashstep.model.config import ModelConfig
from flashstep.model.init import init_weights
from flashstep.model.mlp import MLP
from flashstep.model.transformer import Transformer
from flashstep.model.weights import save_weights
from flashstep.training.batches import JUDGE_FOLDER
from flashstep.training.checkpoint import FILE as STATE_FILE
from flashstep.training.compute import Compute, find_compute
from flashstep.training.curves import FILE as RECORD_FILE
from flashstep.training.loop import Trainer
from flashstep.training.recipe import Recipe
from flashstep.training.report import write_report
from flashstep.training.stopping import Stop
from flashstep.training.tokenizer import CHAT_FILES, save_tokenizer, train_tokenizer
from flashstep.training.tokenizer_corpus import tokenizer_corpus
from flashstep.training.warm_start import check_weights, start_from


def train_command(
    recipe: Recipe, out: Path, *, resume: bool = True, minutes: float | None = None,
    threads: int | None = None, start: Path | None = None, compiles: bool = False, device: str = "cpu",
    num_workers: int = 0,
) -> bool:  # fmt: skip
    """Run `recipe` into folder `out`; True when its end was reached.

    The folder ends up a loadable checkpoint (config, weights, tokenizer, template) beside the
    run's records (training.pt, metrics.jsonl, curves.png, report.md, and, where a phase selects by them, the
    first weights as the checkpoint `judge`). `resume` False starts over.
    `minutes` stops early, resumable; 0 trains no step. `threads` None = torch's default. start: the
    checkpoint folder whose weights a new run begins with. compiles: layers are compiled first, which needs a
    C++ compiler. num_workers: processes that make batches ahead. ConfigError, and nothing discarded, for a
    `start` that cannot be used.
    """
    # oneDNN compiles a kernel for each shape; rows of many widths have more shapes than it keeps by default.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "8192")
    if threads is not None:
        torch.set_num_threads(threads)
    compute = find_compute(device, recipe.precision)
    out.mkdir(parents=True, exist_ok=True)
    if not resume:
        check_start(start, out, recipe.model_config)
        for name in (STATE_FILE, RECORD_FILE, "tokenizer.json"):
            (out / name).unlink(missing_ok=True)
        shutil.rmtree(out / JUDGE_FOLDER, ignore_errors=True)
    if start is not None:
        _take_tokenizer(start, out, recipe)
    trainer = make_trainer(recipe, out, compute)
    if start is not None and not (out / STATE_FILE).exists():
        start_from(start, trainer.model, trainer.batches.tokenizer)
    if recipe.selects:
        _keep_first_weights(trainer, out)
    trainer.resume()
    if compiles:
        compile_layers(trainer.model)
    with _Display(recipe, trainer.step) as display, Stop(minutes) as stop:
        finished = trainer.run(display.report, stop, num_workers)
    save_weights(trainer.model, out)
    write_report(out)
    return finished


def _keep_first_weights(trainer: Trainer, out: Path) -> None:
    """The weights of a new run as the checkpoint by which it selects; those of an old one must be there."""
    if not (out / STATE_FILE).exists():
        save_weights(trainer.model, out / JUDGE_FOLDER)
    elif not (out / JUDGE_FOLDER).exists():
        raise ConfigError(
            f"{out / JUDGE_FOLDER} is missing, the weights that this run began with and by which it selects "
            "documents; put it back, or begin again with --start-over"
        )


def make_trainer(recipe: Recipe, out: Path, compute: Compute | None = None) -> Trainer:
    """Tokenizer (trained when the folder has none), fresh weights, trainer at step 0."""
    if not (out / "tokenizer.json").exists():
        corpus = itertools.islice(tokenizer_corpus(recipe.tokenizer_documents), recipe.tokenizer_documents)
        save_tokenizer(train_tokenizer(corpus, recipe.vocab_size), out, builtin_template())
    model = Transformer(recipe.model_config)
    init_weights(model, recipe.seed)
    return Trainer(recipe, model, out, compute)


def check_start(start: Path | None, out: Path, config: ModelConfig | None) -> None:
    """ConfigError for a checkpoint folder that no run in `out` can begin with once `out` has been emptied.
    config: of the model to be trained; None = that of `start`."""
    if start is None:
        return
    if start.resolve() == out.resolve():
        raise ConfigError(f"--start-over empties {out}, which --from names, too; choose another --out folder")
    own = ModelConfig.load(start)
    Tokenizer.load(start)
    check_weights(start, Transformer(config or own))


def _take_tokenizer(start: Path, out: Path, recipe: Recipe) -> None:
    """Go on with the tokenizer of checkpoint `start` if it is of the recipe's size; a new one is for a new
    vocabulary."""
    if (out / STATE_FILE).exists() or ModelConfig.load(start).vocab_size != recipe.vocab_size:
        return
    for name in CHAT_FILES:
        if (start / name).exists() and start.resolve() != out.resolve():
            shutil.copyfile(start / name, out / name)


# A variant is compiled for each kind of layer and of mask; the default of 8 leaves some uncompiled.
_MOST_VARIANTS = 64


def compile_layers(model: Transformer) -> None:
    """Fuse what attention and dense layers do between their matrix products; row widths may vary. The
    mixture of experts stays as it is: how many rows an expert has is known only when it runs."""
    torch._dynamo.config.recompile_limit = _MOST_VARIANTS
    for module in model.modules():
        if isinstance(module, Attention | MLP):
            module.compile(dynamic=True)


class _Display:
    """A live bar on a terminal, a line every 50 steps elsewhere."""

    def __init__(self, recipe: Recipe, first_step: int) -> None:
        self.console = Console(file=sys.stderr)
        columns = (
            TextColumn("{task.fields[phase]}"), BarColumn(), MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.4f} hits {task.fields[hits]:.3f}"),
            TextColumn("{task.fields[speed]:.0f} tok/s"),
            TimeRemainingColumn(),
        )  # fmt: skip
        self.progress = Progress(*columns, console=self.console, disable=not self.console.is_terminal)
        fields = {"phase": "", "loss": float("nan"), "hits": float("nan"), "speed": 0.0}
        self.task = self.progress.add_task("train", total=recipe.total_steps, completed=first_step, **fields)

    def __enter__(self) -> "_Display":
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def report(self, row: dict[str, Any]) -> None:
        """Show one step's figures."""
        hits = row.get("accuracy", row.get("mtp_1_accuracy", float("nan")))
        values = {"phase": row["phase"], "loss": row["loss"], "hits": hits, "speed": row["tokens_per_s"]}
        self.progress.update(self.task, advance=1, **values)
        if not self.console.is_terminal and row["step"] % 50 == 0:
            self.console.print(
                f"{row['phase']} step {row['step']} loss {row['loss']:.4f} accuracy {hits:.4f} "
                f"imbalance {row['imbalance'] or 0:.2f} {row['tokens_per_s']:.0f} tok/s",
                highlight=False,
            )
