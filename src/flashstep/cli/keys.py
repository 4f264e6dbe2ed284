"""`flashstep keys`: makes, lists and removes API keys in a file that `serve --api-key-file` reads."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from flashstep.errors import ConfigError

if TYPE_CHECKING:
    from flashstep.server.keys.api_key import ApiKey

EPILOG = """\b
Examples:
  flashstep keys add ci --file keys.jsonl
  flashstep keys add web --requests-per-minute 60 --tokens-per-minute 100000 --concurrency 4 --file keys.jsonl
  flashstep keys list --file keys.jsonl
  flashstep serve --api-key-file keys.jsonl
"""

app = typer.Typer(help="Make, list and remove API keys.", no_args_is_help=True, epilog=EPILOG)

Name = Annotated[str, typer.Argument(help="Who holds the key, for traces, logs and metrics.")]
File = Annotated[
    Path, typer.Option("--file", "-f", envvar="FLASHSTEP_API_KEY_FILE", help="The file of keys.")
]
RequestsPerMinute = Annotated[
    int | None,
    typer.Option(min=1, help="POST calls in a minute; no limit when not given.", show_default=False),
]
TokensPerMinute = Annotated[
    int | None,
    typer.Option(
        min=1, help="Tokens of prompts and answers in a minute; no limit when not given.", show_default=False
    ),
]
Concurrency = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="POST calls at the same time, waiting ones too; no limit when not given.",
        show_default=False,
    ),
]


@app.command(epilog=EPILOG)
def add(
    name: Name,
    file: File,
    requests_per_minute: RequestsPerMinute = None,
    tokens_per_minute: TokensPerMinute = None,
    concurrency: Concurrency = None,
    expires: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="Last day (UTC).", show_default=False)
    ] = None,
) -> None:
    """Make a key, show it once, and keep its hash in the file. Running servers take it within a second."""
    from flashstep.server.keys.api_key import ApiKey, KeyLimits, hash_of, new_secret
    from flashstep.server.keys.key_file import add_key

    today = datetime.now(UTC).date()
    last_day = _last_day(expires, today)
    secret = new_secret()
    key = ApiKey(
        name=name,
        sha256=hash_of(secret),
        limits=KeyLimits(
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            concurrency=concurrency,
        ),
        expires=last_day,
        created=today,
    )
    add_key(file, key)
    typer.echo(f"key {name!r} was added to {file}; it is shown only now:", err=True)
    typer.echo(secret)


@app.command(name="list")
def list_keys(file: File) -> None:
    """Show names, limits and dates of all keys; the keys themselves are not known."""
    from flashstep.server.keys.key_file import read_keys

    table = Table("name", "requests/min", "tokens/min", "at once", "created", "expires", box=None)
    for key in read_keys(file):
        table.add_row(*_row(key))
    Console().print(table)


@app.command()
def remove(name: Name, file: File) -> None:
    """Take a key out of the file. Running servers refuse it within a second."""
    from flashstep.server.keys.key_file import remove_key

    remove_key(file, name)
    typer.echo(f"key {name!r} was removed from {file}", err=True)


def _row(key: "ApiKey") -> list[str]:
    limits = key.limits
    expires = f"{key.expires or '-'}"
    if key.is_expired(datetime.now(UTC)):
        expires += " (expired)"
    numbers = (limits.requests_per_minute, limits.tokens_per_minute, limits.concurrency)
    return [key.name, *(f"{number or '-'}" for number in numbers), f"{key.created or '-'}", expires]


def _last_day(text: str | None, today: date) -> date | None:
    """The day that --expires names; ConfigError when the key would never be accepted."""
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a date like 2027-12-31", param_hint="--expires") from error
    if day < today:
        raise ConfigError(f"--expires {day} is past; today is {today} (UTC)")
    return day
