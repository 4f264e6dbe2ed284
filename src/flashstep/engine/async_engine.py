"""Runs an engine in one thread of its own; asyncio tasks submit requests and await tokens.

Two queues cross the border: commands go in under a condition (an idle thread sleeps on it and
burns no CPU), outputs go out through `call_soon_threadsafe`, as `outbox.py` sees fit. Only the
thread touches the engine. Every accepted request gets exactly one output with a finish reason:
its own end, "abort", or "error" when the thread dies.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from typing import NamedTuple

from flashstep.engine.engine import Engine
from flashstep.engine.outbox import Outbox
from flashstep.errors import EngineDead, InvalidRequest, Overloaded
from flashstep.types import FinishReason, Request, TokenOutput

logger = logging.getLogger(__name__)


class TokenStream:
    """The outputs of one request, in order, ended by the one with a finish reason.

    Closing it early, or cancelling the task that awaits it, aborts the request.
    """

    def __init__(self, owner: "AsyncEngine", request: Request) -> None:
        self.request = request
        self.loop = asyncio.get_running_loop()
        self._owner = owner
        self._queue: asyncio.Queue[TokenOutput] = asyncio.Queue()
        self._is_over = False

    def __aiter__(self) -> "TokenStream":
        return self

    async def __anext__(self) -> TokenOutput:
        if self._is_over:
            raise StopAsyncIteration
        try:
            output = await self._queue.get()
        except asyncio.CancelledError:
            await self.aclose()
            raise
        self._is_over = output.finish_reason is not None
        return output

    async def aclose(self) -> None:
        """Abort the request unless it has ended; returns at once."""
        if not self._is_over:
            self._is_over = True
            self._owner.abort(self.request.request_id, self)

    def put(self, output: TokenOutput) -> None:
        """Deliver; called in the stream's event loop."""
        self._queue.put_nowait(output)


class _Add(NamedTuple):
    stream: TokenStream
    arrived_s: float


class _Abort(NamedTuple):
    request_id: str
    stream: TokenStream | None  # only if it is this one's; None = whoever has the id


class AsyncEngine:
    """Owns `engine` and the thread that drives it.

    max_live: most requests running and waiting together; further ones are refused.
    """

    def __init__(self, engine: Engine, *, max_live: int) -> None:
        self._engine = engine
        self._max_live = max_live
        self._commands: deque[_Add | _Abort] = deque()
        self._wake = threading.Condition()
        self._is_closing = False
        self._death: str | None = None
        self._streams: dict[str, TokenStream] = {}  # touched by the engine thread only, as is the outbox
        self._outbox = Outbox()
        self._thread = threading.Thread(target=self._run, name="flashstep-engine", daemon=True)
        self._thread.start()

    @property
    def context_length(self) -> int:
        """Tokens that prompt and answer may have together."""
        return self._engine.context_length

    @property
    def engine(self) -> Engine:
        """The engine, for reading its counters; only the thread may drive it."""
        return self._engine

    @property
    def is_alive(self) -> bool:
        """False once no request can be served any more."""
        return self._death is None and not self._is_closing and self._thread.is_alive()

    def submit(self, request: Request) -> TokenStream:
        """Start a request; must be called inside an event loop, which gets the outputs.

        Raises InvalidRequest when it can never be served, Overloaded when the queue is full and
        EngineDead after the thread's end; then nothing was started.
        """
        self._engine.validate(request)
        stream = TokenStream(self, request)
        with self._wake:
            if self._death is not None or self._is_closing:
                raise EngineDead(f"the engine has stopped ({self._death or 'closed'}); restart it")
            num_live = self._engine.num_live + sum(isinstance(c, _Add) for c in self._commands)
            if num_live >= self._max_live:
                raise Overloaded(f"{num_live} requests are running or waiting, the limit; try again later")
            self._commands.append(_Add(stream, time.monotonic()))
            self._wake.notify()
        return stream

    def abort(self, request_id: str, stream: TokenStream | None = None) -> None:
        """Ask for the end of a request; unknown and finished ones are ignored. With `stream`, which may have
        been refused for an id in use, only if the request is that of `stream`. Any thread."""
        with self._wake:
            self._commands.append(_Abort(request_id, stream))
            self._wake.notify()

    def close(self) -> None:
        """Abort everything, end the thread, close the engine. Waits for the current step."""
        with self._wake:
            if self._is_closing:
                return
            self._is_closing = True
            self._wake.notify()
        self._thread.join()
        self._engine.close()

    def _run(self) -> None:
        """The thread: receive, step, publish, until closed or dead."""
        try:
            while self._receive():
                self._publish(self._engine.step())
                self._check()
        except BaseException as error:
            # Whatever happened, a panic of native code included, nobody may be left waiting.
            traces = ", ".join(s.request.trace_id for s in self._streams.values())
            logger.exception("the engine died; open traces: %s", traces or "none")
            self._end("error", f"{type(error).__name__}: {error}")
        else:
            self._end("abort", None)

    def _receive(self) -> bool:
        """Apply all commands, sleeping while there is nothing to do; False = close."""
        with self._wake:
            while not (self._commands or self._engine.has_work or self._is_closing):
                self._wake.wait()
            if self._is_closing:
                return False
            # Under the lock, so that `submit` never counts a request twice or not at all.
            while self._commands:
                self._apply(self._commands.popleft())
        return True

    def _apply(self, command: _Add | _Abort) -> None:
        if isinstance(command, _Abort):
            if command.stream not in (None, self._streams.get(command.request_id)):
                return
            output = self._engine.abort(command.request_id)
            if output is not None:
                self._publish([(command.request_id, output)])
            return
        stream, request_id = command.stream, command.stream.request.request_id
        if request_id in self._streams:
            message = f"request id {request_id!r} is already in use; choose another"
            self._refuse(stream, message)
            return
        self._streams[request_id] = stream
        try:
            self._engine.add(stream.request, command.arrived_s)
        except InvalidRequest as error:  # `validate` let it through, and still only this request is at fault
            del self._streams[request_id]
            self._refuse(stream, error.message)

    def _refuse(self, stream: TokenStream, message: str) -> None:
        self._outbox.add(stream, TokenOutput((), finish_reason="error", error=message))
        self._outbox.send(len(self._streams))

    def _check(self) -> None:
        """Assert that no request has left the engine without its last output; nobody would end it."""
        num_open, num_live = len(self._streams), self._engine.num_live
        assert num_open == num_live, f"{num_open} streams are open for {num_live} live requests"

    def _publish(self, outputs: list[tuple[str, TokenOutput]]) -> None:
        """Deliver a step's outputs, or keep them for later. A stream is forgotten only once its last output
        is on its way, so whatever fails before leaves it to `_end`."""
        for request_id, output in outputs:
            self._outbox.add(self._streams[request_id], output)
        lost = self._outbox.send(len(self._streams))
        for request_id, output in outputs:
            if output.finish_reason is not None:
                del self._streams[request_id]
        for stream in lost:
            # Its event loop is gone, so nobody will ever read or close it.
            if self._streams.pop(stream.request.request_id, None) is not None:
                self._engine.abort(stream.request.request_id)

    def _end(self, reason: FinishReason, error: str | None) -> None:
        """Give every open request its last output; later submits are refused."""
        with self._wake:
            self._death = error
            queued = [c.stream for c in self._commands if isinstance(c, _Add)]
            self._commands.clear()
        output = TokenOutput((), finish_reason=reason, error=error)
        for stream in [*self._streams.values(), *queued]:
            self._outbox.add(stream, output)
        self._outbox.send(len(self._streams))
        self._streams.clear()
