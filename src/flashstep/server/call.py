"""One HTTP call as the layers see it: who, when, under which trace id.

The trace layer makes it and puts it into the ASGI scope; inner layers add what they learn.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.types import Scope

from flashstep.server.keys.api_key import ApiKey


@dataclass(slots=True)
class Call:
    """What is known about a call. Mutable: the layers fill it in on the way down.

    arrived_s: `time.monotonic` reading; arrived_at: seconds since 1970. client_name: the name of
    the API key, None on an open server; key: what is known of it. response_headers: added to the
    response whatever it is.
    parent_span_id: 16 hex digits of an incoming `traceparent`, None without one. error_frames: how this
    wire format ends an event stream in which something failed; None = the form of chat completions.
    is_generation: a record of a generation of it was made or follows. is_queued: it waits for a place now.
    error: what it was answered with, if it failed.
    status: of the response once the call is over, 499 when the client left before it began; `on_end`
    is called then.
    """

    trace_id: str
    method: str
    path: str
    parent_span_id: str | None = None
    client_name: str | None = None
    key: ApiKey | None = None
    response_headers: dict[str, str] = field(default_factory=dict)
    error_frames: Callable[[Exception], bytes] | None = None
    user_agent: str | None = None
    is_generation: bool = False
    is_queued: bool = False
    error: Exception | None = None
    status: int | None = None
    on_end: list[Callable[[], None]] = field(default_factory=list)
    arrived_s: float = field(default_factory=time.monotonic)
    arrived_at: float = field(default_factory=time.time)


def call_of(scope: Scope) -> Call:
    """The call of a scope that came through the trace layer."""
    call: Call = scope["state"]["call"]
    return call
