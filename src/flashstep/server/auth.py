"""API keys: `Authorization: Bearer <key>` against the operator's list, in constant time.

Without a list the server is open. Public paths need no key: health checks have none to send.
Keys are never logged or echoed.
"""

import hmac

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from flashstep.errors import AuthenticationError

PUBLIC_PATHS = frozenset({"/health"})


class AuthMiddleware:
    """Raises AuthenticationError for calls without an accepted key, before reading the body."""

    def __init__(self, app: ASGIApp, api_keys: tuple[str, ...]) -> None:
        self.app = app
        self._api_keys = tuple(key.encode("ascii") for key in api_keys)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the call through if its path is public or its key is accepted."""
        if scope["type"] == "http" and self._api_keys and scope["path"] not in PUBLIC_PATHS:
            self._check(Headers(scope=scope).get("authorization", ""))
        await self.app(scope, receive, send)

    def _check(self, authorization: str) -> None:
        expected = "expected the header 'Authorization: Bearer <key>' with a key that this server was given"
        if not authorization:
            raise AuthenticationError(f"no API key: {expected} (SDKs call it api_key)")
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise AuthenticationError(f"the Authorization header is not of the Bearer scheme: {expected}")
        given = key.strip().encode("latin-1")
        # Every key is compared, so that the time taken does not tell which one was close.
        if not any([hmac.compare_digest(given, known) for known in self._api_keys]):
            raise AuthenticationError(
                f"incorrect API key: {expected}. Keys of the hosted service are not known here"
            )
