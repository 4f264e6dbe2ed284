"""One HTTP call as the layers see it: who, when, under which trace id.

The trace layer makes it and puts it into the ASGI scope; inner layers add what they learn.
"""

import time
from dataclasses import dataclass, field

from starlette.types import Scope


@dataclass(slots=True)
class Call:
    """What is known about a call. Mutable: the layers fill it in on the way down.

    arrived_s: `time.monotonic` reading; arrived_at: seconds since 1970. client_name: the name of
    the API key, None on an open server. response_headers: added to the response whatever it is.
    parent_span_id: 16 hex digits of an incoming `traceparent`, None without one.
    """

    trace_id: str
    method: str
    path: str
    parent_span_id: str | None = None
    client_name: str | None = None
    response_headers: dict[str, str] = field(default_factory=dict)
    arrived_s: float = field(default_factory=time.monotonic)
    arrived_at: float = field(default_factory=time.time)


def call_of(scope: Scope) -> Call:
    """The call of a scope that came through the trace layer."""
    call: Call = scope["state"]["call"]
    return call
