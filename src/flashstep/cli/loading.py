"""Loads a model for a command, with a visible line while weights are read and kernels compiled."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from flashstep.cli.model_path import resolve_model_path

if TYPE_CHECKING:
    from flashstep.backends.chat_model import ChatModel
    from flashstep.engine.config import EngineConfig


@contextmanager
def opened_model(path: Path | None, config: "EngineConfig", err: Console) -> "Iterator[ChatModel]":
    """The loaded model, closed at the end. ConfigError when the folder cannot be used."""
    folder = resolve_model_path(path)
    with loading_progress(err) as report:
        report("starting the engine")
        from flashstep.backends.chat_model import ChatModel  # takes a moment: it brings numba

        model = ChatModel.load(folder, config, report)
    try:
        yield model
    finally:
        model.close()


@contextmanager
def loading_progress(err: Console) -> Iterator[Callable[[str], None]]:
    """A spinner with the latest message on a terminal, one line a message elsewhere."""
    if not err.is_terminal:
        yield lambda message: err.print(message, markup=False, highlight=False, soft_wrap=True)
        return
    with err.status("") as status:
        yield lambda message: status.update(escape(message))
