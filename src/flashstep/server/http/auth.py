"""API keys of calls: `Authorization: Bearer <key>`, or `x-api-key: <key>` as Anthropic's clients send it.

Without keys the server is open. Public paths need none: what probes, scrapes and describes has none to
send. Keys are never logged or echoed; a call goes on under its key's name.
"""

from datetime import UTC, datetime

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from flashstep.errors import AuthenticationError
from flashstep.server.call import call_of
from flashstep.server.keys.api_key import ApiKey
from flashstep.server.keys.key_ring import KeyRing

PUBLIC_PATHS = frozenset({"/health", "/ready", "/openapi.json"})
METRICS_PATH = "/metrics"


class AuthMiddleware:
    """Raises AuthenticationError for calls without an accepted key, before reading the body.

    public_paths: need no key.
    """

    def __init__(self, app: ASGIApp, keys: KeyRing, public_paths: frozenset[str] = PUBLIC_PATHS) -> None:
        self.app = app
        self._keys = keys
        self._public_paths = public_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the call through if its path is public or its key is accepted."""
        if scope["type"] == "http" and not self._keys.is_open and scope["path"] not in self._public_paths:
            call = call_of(scope)
            call.key = self._check(Headers(scope=scope))
            call.client_name = call.key.name
        await self.app(scope, receive, send)

    def _check(self, headers: Headers) -> ApiKey:
        expected = (
            "expected the header 'Authorization: Bearer <key>' or 'x-api-key: <key>' with a key of this "
            f"server ({self._keys.known_form})"
        )
        key = self._keys.find(_sent(headers, expected))
        if key is None:
            raise AuthenticationError(
                f"incorrect API key: {expected}. Keys of the hosted service are not known here"
            )
        if key.is_expired(datetime.now(UTC)):
            raise AuthenticationError(
                f"the API key named {key.name!r} was valid until {key.expires} (UTC); ask the operator for "
                "a new one"
            )
        return key


def _sent(headers: Headers, expected: str) -> str:
    """The key in the headers; the standard one goes first when both are there."""
    authorization = headers.get("authorization", "")
    scheme, _, bearer = authorization.partition(" ")
    if scheme.lower() == "bearer" and bearer.strip():
        return bearer.strip()
    other = headers.get("x-api-key", "").strip()
    if other:
        return other
    if authorization:
        raise AuthenticationError(f"the Authorization header is not of the Bearer scheme: {expected}")
    raise AuthenticationError(f"no API key: {expected} (SDKs call it api_key)")
