"""The options of `serve` for what clients see: JSON mode, wire form, reasoning field, number of answers."""

from typing import Annotated, Literal

import typer

from flashstep.server.settings import ALIAS, ReasoningField, ServerSettings, WireName

_PANEL = "Form of the answers"
JsonMode = Annotated[
    Literal["on", "off"],
    typer.Option(
        help="Enforce response_format json_object and json_schema. Off, they are answered 400, as hosted.",
        rich_help_panel=_PANEL,
    ),
]
Alias = Annotated[
    list[str] | None,
    typer.Option(
        show_default=False,
        help=f"A further name of the model, besides its own and {ALIAS}; repeatable.",
        rich_help_panel=_PANEL,
    ),
]
Wire = Annotated[
    WireName,
    typer.Option(
        help="Form of chat completions: OpenAI's, or the hosted service's to the letter. The header "
        "X-Flashstep-Wire chooses for one request.",
        rich_help_panel=_PANEL,
    ),
]
Field = Annotated[
    ReasoningField,
    typer.Option(
        "--reasoning-field",
        help="Where reasoning goes when a request's reasoning_format does not say.",
        rich_help_panel=_PANEL,
    ),
]
MaxChoices = Annotated[
    int, typer.Option(min=1, help="Most answers that one request may ask for with n.", rich_help_panel=_PANEL)
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", help="Print the address alone, without settings for clients.", rich_help_panel=_PANEL
    ),
]
DEFAULT_MAX_CHOICES = ServerSettings().max_choices
