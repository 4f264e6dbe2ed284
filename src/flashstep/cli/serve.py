"""`flashstep serve`: the OpenAI-compatible API over one model, until Ctrl-C.

The line with the address goes to stdout once requests are accepted, behind it settings for clients;
logs and progress go to stderr. The port is taken before the model is loaded, which takes longer.
"""

from typing import Annotated

import typer
from rich.console import Console

from flashstep.cli import limit_options, options, trace_options, wire_options
from flashstep.cli.client_settings import client_settings
from flashstep.cli.loading import opened_model
from flashstep.cli.model_path import resolve_model_path
from flashstep.server.keys.key_file import read_keys
from flashstep.server.limits.settings import LimitSettings
from flashstep.server.settings import ALIAS, ServerSettings

_DEFAULTS = ServerSettings()

EPILOG = """\b
Examples:
  flashstep serve
  flashstep serve --port 9000 --api-key s3cret
  FLASHSTEP_API_KEY=s3cret flashstep serve --host 0.0.0.0
  flashstep serve --model ./my-checkpoint --threads 8
  flashstep serve --json-mode on --reasoning-field both
  flashstep serve --wire stepfun   # the hosted service's form to the letter
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
            envvar=limit_options.KEY_VARIABLE,
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
    alias: wire_options.Alias = None,
    json_mode: wire_options.JsonMode = "off",
    wire: wire_options.Wire = _DEFAULTS.wire,
    reasoning_field: wire_options.Field = _DEFAULTS.reasoning_field,
    max_choices: wire_options.MaxChoices = wire_options.DEFAULT_MAX_CHOICES,
    runner: options.Runner = "cpu",
    device: options.Device = None,
    threads: options.Threads = None,
    weight_format: options.WeightFormat = None,
    kv_memory_mib: options.KvMemory = None,
    max_sequences: options.MaxSequences = None,
    drafts: options.Drafts = True,
    prefix_cache: options.PrefixCache = True,
    api_key_file: limit_options.KeyFile = None,
    protect_metrics: limit_options.ProtectMetrics = False,
    max_waiting: limit_options.MaxWaiting = limit_options.DEFAULTS.max_waiting,
    max_queue_wait: limit_options.MaxQueueWait = limit_options.DEFAULTS.max_queue_wait_s,
    request_timeout: limit_options.RequestTimeout = limit_options.DEFAULTS.request_timeout_s,
    send_timeout: limit_options.SendTimeout = limit_options.DEFAULTS.send_timeout_s,
    shutdown_grace: limit_options.ShutdownGrace = limit_options.DEFAULTS.shutdown_grace_s,
    trace_store: trace_options.Store = None,
    trace_content: trace_options.Content = "on",
    trace_max_days: trace_options.MaxDays = trace_options.DEFAULT_MAX_DAYS,
    trace_max_mib: trace_options.MaxMib = trace_options.DEFAULT_MAX_MIB,
    trace_redact: trace_options.Redact = None,
    otlp_endpoint: trace_options.OtlpEndpoint = None,
    log_format: trace_options.LogForm = "text",
    quiet: wire_options.Quiet = False,
) -> None:
    """Serve the API until Ctrl-C. Temperature and top-p apply where a request does not say."""
    settings = ServerSettings(
        api_keys=tuple(api_key or ()),
        api_key_file=api_key_file,
        protect_metrics=protect_metrics,
        limits=LimitSettings(
            max_waiting=max_waiting,
            max_queue_wait_s=max_queue_wait,
            request_timeout_s=request_timeout,
            send_timeout_s=send_timeout,
            shutdown_grace_s=shutdown_grace,
        ),
        cors_origins=tuple(cors_origin or ()),
        aliases=(*(alias or ()), ALIAS),
        temperature=temperature,
        top_p=top_p,
        json_mode=json_mode == "on",
        wire=wire,
        reasoning_field=reasoning_field,
        max_choices=max_choices,
        traces=trace_options.trace_settings(
            store=trace_store,
            content=trace_content,
            max_days=trace_max_days,
            max_mib=trace_max_mib,
            redact=trace_redact,
            otlp_endpoint=otlp_endpoint,
        ),
    )
    config = options.engine_config(
        threads=threads,
        weight_format=weight_format,
        kv_memory_mib=kv_memory_mib,
        drafts=drafts,
        prefix_cache=prefix_cache,
        max_sequences=max_sequences,
        runner=runner,
        device=device,
    )
    from flashstep.backends.allocator import fix_thresholds
    from flashstep.model.config import ModelConfig
    from flashstep.server.file_limit import raise_file_limit
    from flashstep.server.serve import bind, run

    fix_thresholds()
    raise_file_limit()
    limit_options.refuse_blank_keys()
    if api_key_file is not None:
        read_keys(api_key_file)  # so that what is wrong with it is told before the model is loaded
    folder = resolve_model_path(model)
    with bind(host, port) as listener, opened_model(folder, config, Console(stderr=True)) as chat_model:
        from flashstep.server.app import create_app
        from flashstep.server.traces.tracing import open_tracing

        def announce(url: str) -> None:
            names = (chat_model.model_name, *settings.aliases)
            memory_bytes = config.memory_bytes(ModelConfig.load(folder))
            typer.echo(
                f"{memory_bytes >> 20} MiB for the KV cache: prompt and answer of one request may have "
                f"{chat_model.context_length} tokens together",
                err=True,
            )
            typer.echo(f"{' and '.join(names)} on {url}")
            if not quiet:
                typer.echo(client_settings(url, names[-1], needs_key=bool(settings.api_keys or api_key_file)))

        with open_tracing(settings.traces) as tracing:
            run(
                create_app(chat_model, settings=settings, tracing=tracing),
                host,
                port,
                listener=listener,
                on_ready=announce,
                limits=settings.limits,
                log_format=log_format,
                redact=settings.traces.redact,
            )
