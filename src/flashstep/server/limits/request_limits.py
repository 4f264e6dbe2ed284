"""What a request may be before anybody looks into it: length of its address, its headers, the pace of
its body. Bodies have their own limit of size, where they are read.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flashstep.errors import FlashstepError
from flashstep.server.call import call_of

MAX_HEADER_BYTES = 32 << 10
_MAX_HEADERS = 100
_MAX_TARGET_BYTES = 8 << 10
# A body may take so many times as long as the pause that is allowed within it.
_MAX_PAUSES = 10


class TargetTooLong(FlashstepError):
    """Path and query are longer than the server takes."""

    status = 414
    type = "invalid_request_error"
    code = "uri_too_long"


class HeadersTooLarge(FlashstepError):
    """There are more headers, or longer ones, than the server takes."""

    status = 431
    type = "invalid_request_error"
    code = "headers_too_large"


class BodyTooSlow(FlashstepError):
    """The client stopped sending its body."""

    status = 408
    type = "invalid_request_error"
    code = "request_timeout"


class RequestLimitMiddleware:
    """Raises TargetTooLong or HeadersTooLarge, and BodyTooSlow out of `receive` when nothing of the body
    comes for `body_timeout_s` seconds, or its end takes ten times as long."""

    def __init__(self, app: ASGIApp, body_timeout_s: float) -> None:
        self.app = app
        self._body_timeout_s = body_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the head; watch the body."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        _check_head(scope)
        await self.app(scope, _PacedBody(scope, receive, self._body_timeout_s).receive, send)


def _check_head(scope: Scope) -> None:
    target_bytes = len(scope.get("raw_path") or b"") + len(scope["query_string"])
    if target_bytes > _MAX_TARGET_BYTES:
        raise TargetTooLong(
            f"path and query have {target_bytes} bytes, the limit is {_MAX_TARGET_BYTES}; send parameters in "
            "the body"
        )
    headers = scope["headers"]
    if len(headers) > _MAX_HEADERS:
        raise HeadersTooLarge(
            f"the request has {len(headers)} headers, the limit is {_MAX_HEADERS}; send fewer"
        )
    num_bytes = sum(len(name) + len(value) for name, value in headers)
    if num_bytes > MAX_HEADER_BYTES:
        raise HeadersTooLarge(
            f"the headers have {num_bytes} bytes, the limit is {MAX_HEADER_BYTES}; send less"
        )


class _PacedBody:
    """`receive` that is not waited for longer than allowed until the body is complete; behind it, it tells
    of the disconnect, which may take as long as it likes."""

    def __init__(self, scope: Scope, receive: Receive, timeout_s: float) -> None:
        self._scope = scope
        self._receive = receive
        self._timeout_s = timeout_s
        self._is_complete = False
        self._deadline_s = asyncio.get_running_loop().time() + _MAX_PAUSES * timeout_s

    async def receive(self) -> Message:
        if self._is_complete:
            return await self._receive()
        now_s = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(min(now_s + self._timeout_s, self._deadline_s)):
                message = await self._receive()
        except TimeoutError:
            # What still comes of the body would be taken for the next request.
            call_of(self._scope).response_headers["Connection"] = "close"
            raise BodyTooSlow(
                f"the request body did not arrive: nothing came for {self._timeout_s:g} seconds, or all of "
                f"it took longer than {_MAX_PAUSES * self._timeout_s:g}; send the request again"
            ) from None
        self._is_complete = message["type"] == "http.disconnect" or not message.get("more_body", False)
        return message
