"""`flashstep serve`: the OpenAI-compatible API over one model, until Ctrl-C.

The line with the address goes to stdout once requests are accepted; logs and progress go to stderr.
"""

from typing import Annotated

import typer
from rich.console import Console

from flashstep.cli import options
from flashstep.cli.loading import opened_model
from flashstep.server.settings import ServerSettings

_DEFAULTS = ServerSettings()

EPILOG = """\b
Examples:
  flashstep serve
  flashstep serve --port 9000 --api-key s3cret
  FLASHSTEP_API_KEY=s3cret flashstep serve --host 0.0.0.0
  flashstep serve --model ./my-checkpoint --threads 8
"""


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", "-p", min=0, max=65535, help="TCP port; 0 lets the system choose.")
    ] = 8000,
    model: options.Model = None,
    api_key: Annotated[
        list[str] | None,
        typer.Option(
            envvar="FLASHSTEP_API_KEY",
            show_default=False,
            help="A key that clients must send; repeat it for several. Without one the server is open.",
        ),
    ] = None,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(show_default=False, help="A browser origin that may call; * for all; repeatable."),
    ] = None,
    temperature: options.Temperature = _DEFAULTS.temperature,
    top_p: options.TopP = _DEFAULTS.top_p,
    threads: options.Threads = None,
    weight_format: options.WeightFormat = None,
    kv_memory_mib: options.KvMemory = None,
    drafts: options.Drafts = True,
    max_waiting: Annotated[
        int | None,
        typer.Option(min=1, help="Requests that may wait; further ones get 503.", show_default=False),
    ] = None,
) -> None:
    """Serve the API until Ctrl-C. Temperature and top-p apply where a request does not say."""
    settings = ServerSettings(
        api_keys=tuple(api_key or ()),
        cors_origins=tuple(cors_origin or ()),
        temperature=temperature,
        top_p=top_p,
    )
    config = options.engine_config(
        threads=threads,
        weight_format=weight_format,
        kv_memory_mib=kv_memory_mib,
        drafts=drafts,
        max_waiting=max_waiting,
    )
    with opened_model(model, config, Console(stderr=True)) as chat_model:
        from flashstep.server.app import create_app
        from flashstep.server.serve import run

        def announce(url: str) -> None:
            names = " and ".join((chat_model.model_name, *settings.aliases))
            typer.echo(f"{names} on {url}")

        run(create_app(chat_model, settings=settings), host, port, on_ready=announce)
