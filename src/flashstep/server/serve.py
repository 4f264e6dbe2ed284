"""Runs an application on a socket until SIGINT or SIGTERM, with uvicorn.

The socket is bound first, so that a taken port is one clear ConfigError before anything starts.
On a stop signal no new connection is accepted, running answers get `shutdown_grace_s` seconds to
end, and the rest is aborted.
"""

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI

from flashstep.errors import ConfigError

_BACKLOG = 2048


def bind(host: str, port: int) -> socket.socket:
    """A TCP socket that listens on `host` (name, IPv4 or IPv6) and `port` (0 = any free one).
    Raises ConfigError saying why not and what to do."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, OverflowError) as error:
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
    on_ready: Callable[[str], None] | None = None,
    shutdown_grace_s: int = 10,
    log_level: str = "INFO",
) -> None:
    """Serve until SIGINT or SIGTERM, then return; to be called in the main thread. `on_ready` is
    called with the base URL (ending in /v1) once requests are accepted. Raises ConfigError when the
    address cannot be had. Logs go to standard error, every line with its trace id."""
    listener = bind(host, port)
    config = uvicorn.Config(
        app,
        log_config=log_config(log_level),
        access_log=False,  # the trace layer writes the access line, with the trace id
        timeout_graceful_shutdown=shutdown_grace_s,
        server_header=False,
    )
    bound_port = listener.getsockname()[1]
    shown_host = f"[{host}]" if ":" in host else host
    server = _Server(config, f"http://{shown_host}:{bound_port}/v1", on_ready)
    with _stop_signals_absorbed():
        server.run(sockets=[listener])


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
    def __init__(self, config: uvicorn.Config, url: str, on_ready: Callable[[str], None] | None) -> None:
        super().__init__(config)
        self._url = url
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._on_ready:
            self._on_ready(self._url)


def log_config(level: str) -> dict[str, Any]:
    """Settings for `logging.config.dictConfig`: time, level, trace id, message."""
    logger = {"handlers": ["stderr"], "level": level, "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"trace": {"()": "flashstep.server.trace.TraceLogFilter"}},
        "formatters": {
            "line": {"format": "%(asctime)s %(levelname)s [%(trace_id)s] %(name)s: %(message)s"},
        },
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["trace"]},
        },
        "loggers": {"flashstep": logger, "uvicorn": logger | {"level": "WARNING"}},
    }
