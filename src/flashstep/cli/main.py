"""The command `flashstep`: its subcommands, and how an error becomes one line and an exit code.

Importing this module costs typer alone; each command imports what it needs when it runs, so that
`flashstep --help` answers at once. Exit codes: 0 done, 1 failed while running, 2 wrong flags, files or
requests, 130 stopped by Ctrl-C.
"""

import sys
from typing import Annotated

import typer

from flashstep.cli import ask, bench, chat, convert, evaluate, export, keys, serve, trace, train
from flashstep.errors import ConfigError, FlashstepError, InvalidRequest

_EPILOG = """\b
Examples:
  flashstep serve
  flashstep ask "How many 'r's are in the word strawberry?"
  flashstep chat
"""

app = typer.Typer(
    name="flashstep",
    help="Step 3.5 Flash on your own machine: an OpenAI-compatible reasoning API, no GPU, no network.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command(epilog=serve.EPILOG)(serve.serve)
app.command(epilog=ask.EPILOG)(ask.ask)
app.command(epilog=chat.EPILOG)(chat.chat)
app.command(epilog=train.EPILOG)(train.train)
app.command(epilog=convert.EPILOG)(convert.convert)
app.command(epilog=export.EPILOG)(export.export)
app.command(epilog=trace.EPILOG)(trace.trace)
app.command(epilog=bench.EPILOG)(bench.bench)
app.command(name="eval", epilog=evaluate.EPILOG)(evaluate.evaluate)
app.add_typer(keys.app, name="keys")


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        from flashstep import __version__

        typer.echo(f"flashstep {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Step 3.5 Flash on your own machine: an OpenAI-compatible reasoning API, no GPU, no network."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line (`sys.argv` when `arguments` is None) and exit the process with its code."""
    try:
        app(arguments)
    except FlashstepError as e:
        typer.secho(f"error: {e.message}", fg="red", err=True)
        sys.exit(2 if isinstance(e, ConfigError | InvalidRequest) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
