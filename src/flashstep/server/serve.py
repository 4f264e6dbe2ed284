"""Runs an application on a socket until SIGINT or SIGTERM, with uvicorn.

The socket is bound first, so that a taken port is one clear ConfigError before anything starts.
On a stop signal new requests are refused with 503 while running answers get `shutdown_grace_s` seconds
to end; the rest is broken off with an error that says so. A second signal ends at once.
"""

import logging
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from flashstep.errors import ConfigError
from flashstep.server.http.log_lines import JsonLines, LogFormat, TextLines
from flashstep.server.limits.connection import connection_class
from flashstep.server.limits.drain import Drain
from flashstep.server.limits.request_limits import MAX_HEADER_BYTES
from flashstep.server.limits.settings import LimitSettings
from flashstep.server.traces.redaction import Redaction

logger = logging.getLogger("flashstep.server")

_BACKLOG = 2048
_LAST_WORDS_S = 5  # for connections to be closed, once no answer is being computed any more


def bind(host: str, port: int) -> socket.socket:
    """A TCP socket that listens on `host` (name, IPv4 or IPv6) and `port` (0 = any free one).
    Raises ConfigError saying why not and what to do."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, OverflowError, UnicodeError) as error:  # the last for a name with an empty part
        raise ConfigError(f"cannot listen on {host}:{port}: {error}; check host and port") from error
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        # Listening now makes a second server on the same port fail here and not at its first client.
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror}; stop what uses the port, "
            "choose another with --port, or let the system choose with --port 0"
        ) from error
    return listener


def run(
    app: FastAPI,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    listener: socket.socket | None = None,
    on_ready: Callable[[str], None] | None = None,
    limits: LimitSettings = LimitSettings(),  # noqa: B008 - immutable
    log_level: str = "INFO",
    log_format: LogFormat = "text",
    redact: Sequence[str] = (),
) -> None:
    """Serve until SIGINT or SIGTERM, then return; to be called in the main thread. `on_ready` is
    called with the base URL (ending in /v1) once requests are accepted. Raises ConfigError when the
    address cannot be had. `listener` is what `bind` returned for the address, when the caller did that
    first; it is closed at the end. Logs go to standard error, every line with its trace id and without what
    the patterns `redact` match."""
    listener = listener or bind(host, port)
    config = server_config(app, limits, log_config(log_level, log_format, redact))
    bound_port = listener.getsockname()[1]
    shown_host = f"[{host}]" if ":" in host else host
    server = _Server(
        config, f"http://{shown_host}:{bound_port}/v1", on_ready, app.state.drain, limits.shutdown_grace_s
    )
    with _stop_signals_absorbed():
        server.run(sockets=[listener])


def server_config(app: FastAPI, limits: LimitSettings, logs: dict[str, Any] | None) -> uvicorn.Config:
    """How uvicorn is to serve `app`; `logs` None leaves logging as it is."""
    return uvicorn.Config(
        app,
        http=connection_class(head_timeout_s=limits.request_timeout_s, send_timeout_s=limits.send_timeout_s),
        ws="none",
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        log_config=logs,
        access_log=False,  # the trace layer writes the access line, with the trace id
        timeout_graceful_shutdown=_LAST_WORDS_S,
        server_header=False,
    )


@contextmanager
def _stop_signals_absorbed() -> Iterator[None]:
    """uvicorn raises the signal that stopped it once more at its end; by then it has been obeyed, and
    the caller still has a model to close."""
    handlers = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


class _Server(uvicorn.Server):
    def __init__(
        self,
        config: uvicorn.Config,
        url: str,
        on_ready: Callable[[str], None] | None,
        drain: Drain,
        grace_s: float,
    ) -> None:
        super().__init__(config)
        self._url = url
        self._on_ready = on_ready
        self._drain = drain
        self._grace_s = grace_s
        self._deadline_s: float | None = None  # once a stop signal came
        self._has_told = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._on_ready:
            self._on_ready(self._url)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        now_s = time.monotonic()
        if self._deadline_s is None:
            self._deadline_s = now_s + self._grace_s
            self._drain.begin()
        elif self._deadline_s > now_s:
            self._deadline_s = now_s
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        if await super().on_tick(counter):
            return True
        if self._deadline_s is None:
            return False
        left_s = self._deadline_s - time.monotonic()
        if not self._drain.is_idle and left_s > 0:
            if not self._has_told:
                self._has_told = True
                logger.info("stopping; running answers get %.0f s, a second signal ends them", left_s)
            return False
        self._drain.abort()
        return True


def log_config(level: str, form: LogFormat = "text", redact: Sequence[str] = ()) -> dict[str, Any]:
    """Settings for `logging.config.dictConfig`: time, level, trace id, message, a line or a JSON object
    each; what the patterns `redact` match is taken out."""
    logger = {"handlers": ["stderr"], "level": level, "propagate": False}
    formatter = {"text": TextLines, "json": JsonLines}[form]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"trace": {"()": "flashstep.server.http.trace.TraceLogFilter"}},
        "formatters": {"line": {"()": formatter, "redaction": Redaction(redact)}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["trace"]},
        },
        "loggers": {
            "flashstep": logger,
            "uvicorn": logger | {"level": "WARNING"},
            "opentelemetry": logger | {"level": "WARNING"},
        },
    }
