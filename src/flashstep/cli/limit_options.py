"""The options of `serve` for keys, load and slow clients."""

import os
from pathlib import Path
from typing import Annotated

import typer

from flashstep.cli.options import positive
from flashstep.errors import ConfigError
from flashstep.server.limits.settings import LimitSettings

_PANEL = "Keys, load and slow clients"
KEY_VARIABLE, KEY_FILE_VARIABLE = "FLASHSTEP_API_KEY", "FLASHSTEP_API_KEY_FILE"
DEFAULTS = LimitSettings()

KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--api-key-file",
        envvar=KEY_FILE_VARIABLE,
        show_default=False,
        help="Keys with names and limits, made by `flashstep keys add`; read again whenever it changes.",
        rich_help_panel=_PANEL,
    ),
]
ProtectMetrics = Annotated[
    bool,
    typer.Option(
        "--protect-metrics", help="Ask for a key on /metrics too.", show_default=False, rich_help_panel=_PANEL
    ),
]
MaxWaiting = Annotated[
    int, typer.Option(min=0, help="Requests that may wait; further ones get 503.", rich_help_panel=_PANEL)
]
MaxQueueWait = Annotated[
    float,
    typer.Option(
        "--max-queue-wait",
        callback=positive,
        help="Seconds that a request may wait; then it gets 503.",
        rich_help_panel=_PANEL,
    ),
]
RequestTimeout = Annotated[
    float,
    typer.Option(
        "--request-timeout",
        callback=positive,
        help="Seconds of silence within a request; then 408.",
        rich_help_panel=_PANEL,
    ),
]
SendTimeout = Annotated[
    float,
    typer.Option(
        "--send-timeout",
        callback=positive,
        help="Seconds that a client may read nothing of its answer.",
        rich_help_panel=_PANEL,
    ),
]
ShutdownGrace = Annotated[
    float,
    typer.Option(
        "--shutdown-grace",
        min=0.0,
        help="Seconds that running answers get to end on SIGTERM.",
        rich_help_panel=_PANEL,
    ),
]


def refuse_blank_keys() -> None:
    """ConfigError for a key variable that is set and empty: a missing secret must not open the server."""
    for name in (KEY_VARIABLE, KEY_FILE_VARIABLE):
        if name in os.environ and not os.environ[name].strip():
            raise ConfigError(f"{name} is set and empty, so the server would be open; set it, or unset it")
