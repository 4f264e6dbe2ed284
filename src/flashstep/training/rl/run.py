"""`flashstep train nano-rl`: prepare the run's folder, train with a progress display, export the weights."""

import shutil
from pathlib import Path

import torch

from flashstep.errors import ConfigError
from flashstep.model.config import ModelConfig
from flashstep.model.transformer import Transformer
from flashstep.model.weights import load_model, save_weights
from flashstep.training.checkpoint import FILE as STATE_FILE
from flashstep.training.curves import FILE as RECORD_FILE
from flashstep.training.rl.display import Display
from flashstep.training.rl.loop import RLTrainer
from flashstep.training.rl.recipe import RLRecipe
from flashstep.training.run import check_start, compile_layers
from flashstep.training.stopping import Stop
from flashstep.training.tokenizer import CHAT_FILES


def rl_command(
    recipe: RLRecipe, out: Path, start: Path | None, *, resume: bool = True, minutes: float | None = None,
    threads: int | None = None, compiles: bool = False,
) -> bool:  # fmt: skip
    """Run `recipe` from checkpoint folder `start` into folder `out`; True when its end was reached.

    `out` ends up a loadable checkpoint beside the run's records (training.pt, metrics.jsonl, curves.png).
    start may be None when `out` has a run to resume, else ConfigError. `resume`, `minutes`, `threads`,
    `compiles`: as in `train_command`.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    if not resume:
        check_start(start, out, None)
        if start is None:
            raise _nothing_to_begin_with(recipe)
        for name in (STATE_FILE, RECORD_FILE):
            (out / name).unlink(missing_ok=True)
    trainer = make_rl_trainer(recipe, out, start, threads)
    trainer.resume()
    if compiles:
        compile_layers(trainer.model)
    with Display(recipe.steps, trainer.step) as display, Stop(minutes) as stop:
        finished = trainer.run(display.report, stop)
    save_weights(trainer.model, out)
    return finished


def make_rl_trainer(recipe: RLRecipe, out: Path, start: Path | None, threads: int | None = None) -> RLTrainer:
    """A trainer at step 0 on the weights of `start`, or, where `out` has a run, on a model that `resume`
    fills."""
    if (out / STATE_FILE).exists():
        return RLTrainer(recipe, Transformer(ModelConfig.load(out)), out, threads)
    if start is None:
        raise _nothing_to_begin_with(recipe)
    model = load_model(start)
    out.mkdir(parents=True, exist_ok=True)
    model.config.save(out)
    for name in CHAT_FILES:
        if (start / name).exists() and start.resolve() != out.resolve():
            shutil.copyfile(start / name, out / name)
    return RLTrainer(recipe, model, out, threads)


def _nothing_to_begin_with(recipe: RLRecipe) -> ConfigError:
    return ConfigError(f"recipe '{recipe.name}' trains a model further; name its folder with --from")
