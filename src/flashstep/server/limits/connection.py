"""The HTTP/1.1 connection: uvicorn's, with an end to waiting for clients that do nothing.

A client that opens a connection and sends no complete request head is answered 408 (or just cut off when
it has sent nothing), one that stops reading is cut off, which frees its generation and its buffers like
any disconnect. One that is answered before its body is complete has as long for the rest as for a head.
What is no HTTP is refused in the form that all our errors have. Between requests the keep-alive time of
uvicorn holds.
"""

import asyncio
import json
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from flashstep.server.http.trace import new_trace_id
from flashstep.server.limits.request_limits import MAX_HEADER_BYTES


class Connection(H11Protocol):
    """One connection. head_timeout_s: for a complete request head. send_timeout_s: that a client may
    leave more unread than buffers hold. Subclasses set them; see `connection_class`."""

    head_timeout_s: float
    send_timeout_s: float

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_timer: asyncio.TimerHandle | None = None
        self._rest_timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None
        self._num_unread = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        assert isinstance(transport, asyncio.Transport), f"a stream transport, got {transport!r}"
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_timers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of a request."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_head_timer()
        elif self._head_timer is None:
            self._await_head()  # the beginning of a further request
        self._limit_rest()

    def pause_writing(self) -> None:
        """The buffers are full: the client does not read, or not fast enough."""
        super().pause_writing()
        self._await_reading()

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be parsed, and close."""
        self._refuse(
            400,
            f"this is no HTTP/1.1 request, or its headers have more than {MAX_HEADER_BYTES} bytes; the "
            "server speaks plain HTTP here, so check scheme and port too",
            "invalid_http",
        )

    def _limit_rest(self) -> None:
        """What comes of a request that has been answered already is dropped, and nobody waits for its end."""
        if self.conn.our_state is not h11.DONE or self.conn.their_state is not h11.SEND_BODY:
            self._stop_rest_timer()
        elif self._rest_timer is None:
            self._rest_timer = self.loop.call_later(self.head_timeout_s, self.transport.close)

    def _await_reading(self) -> None:
        self._num_unread = self.transport.get_write_buffer_size()
        self._send_timer = self.loop.call_later(self.send_timeout_s, self._cut_off)

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_timeout_s, self._give_up_on_head)

    def _give_up_on_head(self) -> None:
        self._head_timer = None
        if self.transport.is_closing() or self.conn.their_state is not h11.IDLE:
            return
        if self.conn.trailing_data[0]:
            self._refuse(
                408,
                f"no complete request head came within {self.head_timeout_s:g} seconds; send it again",
                "request_timeout",
            )
        else:
            self.transport.close()

    def _refuse(self, status: int, message: str, code: str) -> None:
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()  # in the middle of an answer, which cannot be taken back
            return
        trace_id = new_trace_id()
        self.logger.warning("a connection is refused with %d %s (trace %s)", status, code, trace_id)
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
        body = json.dumps({"error": {**error, "trace_id": trace_id}}).encode("ascii")
        headers = [
            (b"x-trace-id", trace_id.encode("ascii")),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode("ascii")),
            (b"connection", b"close"),
        ]
        response = h11.Response(status_code=status, headers=headers)
        for event in (response, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _cut_off(self) -> None:
        if self.transport.get_write_buffer_size() < self._num_unread:  # much in one piece, and a slow line
            self._await_reading()
            return
        self._send_timer = None
        self.logger.warning("a client read nothing for %g s; its connection is cut", self.send_timeout_s)
        self.transport.abort()

    def _stop_timers(self) -> None:
        self._stop_head_timer()
        self._stop_rest_timer()
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None

    def _stop_rest_timer(self) -> None:
        if self._rest_timer is not None:
            self._rest_timer.cancel()
            self._rest_timer = None

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def connection_class(*, head_timeout_s: float, send_timeout_s: float) -> type[Connection]:
    """The connection with these times, in the form that uvicorn makes connections from."""
    times = {"head_timeout_s": head_timeout_s, "send_timeout_s": send_timeout_s}
    made: type[Connection] = type("TimedConnection", (Connection,), times)
    return made
