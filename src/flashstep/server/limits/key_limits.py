"""The layer behind authentication: a key's requests a minute and calls at the same time.

It acts before the body is read, so that who is over the limit costs next to nothing. Calls that only
look (GET) are free. The headers that tell what is left are on every answer to a key with limits.
"""

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from flashstep.errors import RateLimited
from flashstep.server.call import call_of
from flashstep.server.limits.meter import Meters

_COUNTED = "POST"


class KeyLimitMiddleware:
    """Raises RateLimited for calls beyond their key's limits. on_refusal: gets key name and limit."""

    def __init__(self, app: ASGIApp, meters: Meters, on_refusal: Callable[[str, str], None]) -> None:
        self.app = app
        self._meters = meters
        self._on_refusal = on_refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the call while it lasts."""
        key = call_of(scope).key if scope["type"] == "http" else None
        meter = self._meters.of(key)
        if key is None or meter is None:
            await self.app(scope, receive, send)
            return
        headers = call_of(scope).response_headers
        try:
            if scope["method"] != _COUNTED:
                headers.update(meter.headers())
                await self.app(scope, receive, send)
                return
            try:
                meter.begin_call()
            finally:
                headers.update(meter.headers())
            try:
                await self.app(scope, receive, send)
            finally:
                meter.end_call()
        except RateLimited as refusal:
            self._on_refusal(key.name, refusal.limit)
            raise
