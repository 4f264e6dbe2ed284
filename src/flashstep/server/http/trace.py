"""One trace id per call: 32 lower-case hex digits, the form of an OpenTelemetry trace id.

Taken from a valid incoming `traceparent` (W3C Trace Context, version-traceid-parentid-flags) or
`X-Trace-Id`, else made here. It is in the ASGI scope, in every log line written while the call
runs, and in the headers `X-Trace-Id` and `X-Request-Id` (the one that SDKs expose) of every
response, errors included.
"""

import logging
import re
import secrets
import time
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Protocol

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flashstep.server.call import Call, call_of
from flashstep.server.traces.record import plain_trace_id

logger = logging.getLogger("flashstep.server.access")

_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-[0-9a-f]{2}(-.*)?"
)
CLIENT_CLOSED = 499

_current: ContextVar[str] = ContextVar("flashstep_trace_id", default="-")


def new_trace_id() -> str:
    """A random trace id."""
    return secrets.token_hex(16)


def incoming_trace(headers: Headers) -> tuple[str | None, str | None]:
    """The caller's trace id, `traceparent` first, and its span id there; None where there is none
    or it is malformed."""
    parent = _TRACEPARENT.fullmatch(headers.get("traceparent", "").strip())
    if parent:
        return parent.group(1), parent.group(2)
    for name in ("x-trace-id", "x-request-id"):
        own = plain_trace_id(headers.get(name, ""))
        if _TRACE_ID.fullmatch(own):
            return own, None
    return None, None


def trace_id_of(scope: Scope) -> str:
    """The trace id of a call that came through TraceMiddleware."""
    return call_of(scope).trace_id


class CallObserver(Protocol):
    """Is told of every HTTP call that is over."""

    def call_ended(self, call: Call) -> None:
        """`call` is over and has its status. Called in the event loop, so it must return at once."""
        ...


class TraceMiddleware:
    """Gives each HTTP call its trace id and writes one access line when it ends."""

    def __init__(self, app: ASGIApp, observers: Sequence[CallObserver] = ()) -> None:
        self.app = app
        self._observers = observers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the call with its trace id in scope, log context and response headers."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope)
        trace_id, parent_span_id = incoming_trace(given)
        call = Call(trace_id or new_trace_id(), scope["method"], scope["path"], parent_span_id)
        call.user_agent = given.get("user-agent")
        scope.setdefault("state", {})["call"] = call
        token = _current.set(call.trace_id)
        status = CLIENT_CLOSED  # stays so when the client left before anything was sent

        async def send_with_trace(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(raw=list(message.get("headers", ())))
                headers["X-Trace-Id"] = headers["X-Request-Id"] = call.trace_id
                headers.update(call.response_headers)
                message["headers"] = headers.raw
            await send(message)

        try:
            await self.app(scope, receive, send_with_trace)
        finally:
            elapsed_ms = (time.monotonic() - call.arrived_s) * 1000
            logger.info("%s %s %d %.1f ms", call.method, call.path, status, elapsed_ms)
            self._end(call, status)
            _current.reset(token)

    def _end(self, call: Call, status: int) -> None:
        call.status = status
        for tell in call.on_end:
            tell()
        for observer in self._observers:
            observer.call_ended(call)


class TraceLogFilter(logging.Filter):
    """Adds `trace_id` to log records ("-" outside a call), for formatters that print it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Set `record.trace_id`; keeps every record."""
        record.trace_id = _current.get()
        return True
