"""The options of `flashstep serve` that are about traces, and the settings that they become."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from flashstep.cli.options import positive
from flashstep.server.traces.settings import TraceSettings, default_store

_DEFAULTS = TraceSettings()
DEFAULT_MAX_DAYS = _DEFAULTS.max_days
DEFAULT_MAX_MIB = _DEFAULTS.max_bytes >> 20

Switch = Literal["on", "off"]

_PANEL = "Traces and logs"
Store = Annotated[
    str | None,
    typer.Option(
        "--trace-store",
        metavar="PATH|off",
        show_default=False,
        help="File for the records of all calls; your state folder when not given.",
        rich_help_panel=_PANEL,
    ),
]
Content = Annotated[
    Switch,
    typer.Option("--trace-content", help="Keep prompts and outputs in the records.", rich_help_panel=_PANEL),
]
MaxDays = Annotated[
    float,
    typer.Option(
        "--trace-max-days", callback=positive, help="Older records are deleted.", rich_help_panel=_PANEL
    ),
]
MaxMib = Annotated[
    int,
    typer.Option(
        "--trace-max-mib", min=1, help="The oldest records go when all take more.", rich_help_panel=_PANEL
    ),
]
Redact = Annotated[
    list[str] | None,
    typer.Option(
        "--trace-redact",
        metavar="REGEX",
        show_default=False,
        help="Take what matches out of records, spans and logs; repeatable.",
        rich_help_panel=_PANEL,
    ),
]
OtlpEndpoint = Annotated[
    str | None,
    typer.Option(
        "--otlp-endpoint",
        metavar="URL",
        envvar="OTEL_EXPORTER_OTLP_ENDPOINT",
        show_default=False,
        help="OpenTelemetry collector that gets a span of each call. Needs the extra otel.",
        rich_help_panel=_PANEL,
    ),
]
LogForm = Annotated[
    Literal["text", "json"],
    typer.Option("--log-format", help="Lines, or JSON objects.", rich_help_panel=_PANEL),
]


def trace_settings(
    *,
    store: str | None,
    content: Switch,
    max_days: float,
    max_mib: int,
    redact: Sequence[str] | None,
    otlp_endpoint: str | None,
) -> TraceSettings:
    """The settings from the flags; ConfigError when they cannot work."""
    path = None if store == "off" else Path(store) if store else default_store()
    return TraceSettings(
        store=path,
        keep_content=content == "on",
        max_days=max_days,
        max_bytes=max_mib << 20,
        redact=tuple(redact or ()),
        otlp_endpoint=otlp_endpoint or None,
    )
