"""The ASGI response that computes one JSON object while the client waits for it."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from flashstep.server.http.disconnect import run_while_connected

logger = logging.getLogger("flashstep.server")


class WholeResponse(Response):
    """Answers with what `make` returns; cancels it when the client goes away. What it raises is
    raised, since nothing has been sent by then."""

    def __init__(
        self, make: Callable[[], Awaitable[dict[str, Any]]], headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__()
        self._make = make
        self._headers_to_add = dict(headers or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait for the object, then send it."""

        async def answer() -> None:
            whole = await self._make()
            await JSONResponse(whole, headers=self._headers_to_add)(scope, receive, send)

        if not await run_while_connected(receive, answer()):
            logger.info("client went away; generation aborted")
