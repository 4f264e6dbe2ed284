"""The ASGI response that sends an event stream and notices at once when nobody reads it.

Headers go out with the first frame or the first keep-alive comment, whichever comes first; so an
error that happens quickly still gets its own status. The frames are closed on every way out.
Frameworks' streaming responses notice a disconnect only when they next send; this one does not wait.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from flashstep.server.call import Call, call_of
from flashstep.server.http.disconnect import run_while_connected
from flashstep.server.http.frame import KEEP_ALIVE

logger = logging.getLogger("flashstep.server")

_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",  # tells nginx not to collect frames
}


class StreamResponse(Response):
    """Sends `frames`; after every `keep_alive_s` seconds of silence a comment line. While the call waits in
    the queue there is none, since it could still be refused, which takes a status of its own."""

    def __init__(
        self, frames: AsyncGenerator[bytes, None], *, keep_alive_s: float, headers: Mapping[str, str]
    ) -> None:
        # Not the base class's constructor: it would announce a Content-Length.
        self.status_code = 200
        self.background = None
        self.init_headers({**_HEADERS, **headers})
        self._frames = frames
        self._keep_alive_s = keep_alive_s
        self._is_started = False
        self._last_sent_s = 0.0
        self._sending = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream; stop producing it when the client goes away."""
        if not await run_while_connected(receive, self._send_all(send, call_of(scope))):
            logger.info("client went away; generation aborted")

    async def _send_all(self, send: Send, call: Call) -> None:
        self._last_sent_s = asyncio.get_running_loop().time()
        keep_alive = asyncio.ensure_future(self._keep_alive(send, call))
        try:
            async with aclosing(self._frames):
                async for frame in self._frames:
                    await self._send(send, frame)
        finally:
            keep_alive.cancel()
            await asyncio.wait({keep_alive})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _keep_alive(self, send: Send, call: Call) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._last_sent_s + self._keep_alive_s - loop.time())
            if loop.time() - self._last_sent_s < self._keep_alive_s:
                continue
            if self._is_started or not call.is_queued:
                await self._send(send, KEEP_ALIVE)
            else:
                self._last_sent_s = loop.time()

    async def _send(self, send: Send, frame: bytes) -> None:
        async with self._sending:  # a comment must not come between headers and first frame
            if not self._is_started:
                self._is_started = True
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": frame, "more_body": True})
            self._last_sent_s = asyncio.get_running_loop().time()
