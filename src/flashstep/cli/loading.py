"""Loads a model for a command, with a visible line while weights are read and kernels compiled."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from flashstep.cli.model_path import resolve_model_path
from flashstep.errors import BackendError
from flashstep.types import Finish, Message, SamplingParams

if TYPE_CHECKING:
    from flashstep.backends.chat_model import ChatModel
    from flashstep.engine.config import EngineConfig


@contextmanager
def opened_model(path: Path | None, config: "EngineConfig", err: Console) -> "Iterator[ChatModel]":
    """The loaded model, warmed up, and closed at the end. ConfigError when the folder cannot be used."""
    folder = resolve_model_path(path)
    with loading_progress(err) as report:
        report(f"loading {folder.name}")
        from flashstep.backends.chat_model import ChatModel  # takes a moment: it brings numba

        model = ChatModel.load(folder, config, report)
    try:
        with loading_progress(err) as report:
            report("warming up; the very first start compiles the kernels (a minute)")
            asyncio.run(_warm_up(model))
        yield model
    finally:
        model.close()


async def _warm_up(model: "ChatModel") -> None:
    """Have a few tokens computed, so that nobody's first answer waits for the compiler."""
    params = SamplingParams(temperature=0, max_tokens=4)
    events = model.chat([Message("user", "hi")], (), params, trace_id="0" * 32, request_id="warm-up")
    async for event in events:
        if isinstance(event, Finish) and event.reason == "error":
            raise BackendError(f"the model computed nothing: {event.error}")


@contextmanager
def loading_progress(err: Console) -> Iterator[Callable[[str], None]]:
    """A spinner with the latest message on a terminal, one line a message elsewhere."""
    if not err.is_terminal:
        yield lambda message: err.print(message, markup=False, highlight=False, soft_wrap=True)
        return
    with err.status("") as status:
        yield lambda message: status.update(escape(message))
