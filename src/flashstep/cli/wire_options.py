"""The options of `serve` for what clients see: JSON mode, wire form, reasoning field, number of answers."""

from typing import Annotated, Literal

import typer

from flashstep.server.settings import ReasoningField, ServerSettings, WireName

JsonMode = Annotated[
    Literal["on", "off"],
    typer.Option(
        help="Enforce response_format json_object and json_schema. Off, they are answered 400, as hosted."
    ),
]
Wire = Annotated[
    WireName,
    typer.Option(
        help="Form of chat completions: OpenAI's, or the hosted service's to the letter. The header "
        "X-Flashstep-Wire chooses for one request."
    ),
]
Field = Annotated[
    ReasoningField,
    typer.Option(
        "--reasoning-field", help="Where reasoning goes when a request's reasoning_format does not say."
    ),
]
MaxChoices = Annotated[int, typer.Option(min=1, help="Most answers that one request may ask for with n.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print the address alone, without settings for clients.")
]
DEFAULT_MAX_CHOICES = ServerSettings().max_choices
