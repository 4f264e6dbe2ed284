"""Every failure as `{"error": {message, type, param, code, trace_id}}` with the fitting status.

The field names are OpenAI's, which every SDK parses; `trace_id` is ours. Under the paths of Anthropic's
Messages the form is Anthropic's. Before the first byte an
error is a JSON response, after the start of an event stream it is one last `data:` frame.
Unexpected exceptions become a 500 that shows only the trace id; the stack goes to the log.
"""

import json
import logging
import math
from functools import partial
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flashstep.errors import (
    AuthenticationError,
    ContextLengthExceeded,
    FlashstepError,
    InvalidRequest,
    NotFound,
    Overloaded,
    RateLimited,
)
from flashstep.server.anthropic.errors import anthropic_error
from flashstep.server.call import call_of
from flashstep.server.http.trace import trace_id_of
from flashstep.server.traces.redaction import unquoted

logger = logging.getLogger("flashstep.server")

# Paths whose errors have Anthropic's form; all others have OpenAI's.
_ANTHROPIC_PATHS = ("/v1/messages", "/step_plan/v1/messages")


class BodyTooLarge(InvalidRequest):
    """The request body has more bytes than the server takes."""

    status = 413


class PathNotFound(FlashstepError):
    """No such path."""

    status = 404
    type = "invalid_request_error"
    code = "path_not_found"


class MethodNotAllowed(FlashstepError):
    """The path exists, the HTTP method does not; `allow` lists those that do."""

    status = 405
    type = "invalid_request_error"
    code = "method_not_allowed"

    def __init__(self, message: str, *, allow: str) -> None:
        super().__init__(message)
        self.allow = allow


def explained(error: Exception, trace_id: str) -> FlashstepError:
    """`error` as the client may see it: what nobody expected tells no more than where to look."""
    if isinstance(error, FlashstepError):
        return error
    return FlashstepError(f"internal error; the server's log has the cause under trace id {trace_id}")


def error_object(error: Exception, trace_id: str) -> dict[str, Any]:
    """The JSON body that describes `error`, in OpenAI's form."""
    error = explained(error, trace_id)
    param = error.param if isinstance(error, InvalidRequest) else None
    if isinstance(error, NotFound):
        param = "model"  # a model is the only thing that requests name
    return {
        "error": {
            "message": error.message,
            "type": error.type,
            "param": param,
            "code": error.code,
            "trace_id": trace_id,
        }
    }


def error_response(error: Exception, trace_id: str, path: str) -> JSONResponse:
    """The response for an error that happened before anything was sent, in the form of the path's API."""
    status = error.status if isinstance(error, FlashstepError) else 500
    headers: dict[str, str] = {}
    if isinstance(error, Overloaded | RateLimited):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
        headers["Retry-After-Ms"] = str(max(1, math.ceil(error.retry_after_s * 1000)))
    elif isinstance(error, NotFound | ContextLengthExceeded):
        headers["X-Should-Retry"] = "false"  # SDKs that would try again find the same
    elif isinstance(error, AuthenticationError):
        headers["WWW-Authenticate"] = "Bearer"
    elif isinstance(error, MethodNotAllowed):
        headers["Allow"] = error.allow
    if path.startswith(_ANTHROPIC_PATHS):
        headers["request-id"] = trace_id
        return JSONResponse(anthropic_error(explained(error, trace_id), trace_id), status, headers)
    return JSONResponse(error_object(error, trace_id), status, headers)


def from_http_exception(error: HTTPException, method: str, path: str) -> FlashstepError:
    """The router's own refusals (unknown path, wrong method) in our words."""
    if error.status_code == 404:
        hint = "" if path.startswith("/v1/") else "; the API is under /v1, so a client's base URL ends in /v1"
        return PathNotFound(f"there is nothing at {method} {path}{hint}")
    if error.status_code == 405:
        allow = (error.headers or {}).get("Allow", "")
        return MethodNotAllowed(f"{path} does not take {method}; it takes {allow}", allow=allow)
    return FlashstepError(f"{error.status_code}: {error.detail}")


class ErrorMiddleware:
    """Turns whatever the inner application raises into an answer; nothing gets past it.

    keep_quotes: the log may quote what was wrong in a request; the answer does so always.
    """

    def __init__(self, app: ASGIApp, *, keep_quotes: bool = True) -> None:
        self.app = app
        self._keep_quotes = keep_quotes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the call; on an exception send, or finish, the response and log."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start: Message | None = None

        async def send_noting_start(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
            await send(message)

        try:
            await self.app(scope, receive, send_noting_start)
        except ClientDisconnect:
            logger.info("client went away while sending its request")
        except Exception as error:  # the outermost layer: each failure is answered and logged
            trace_id = trace_id_of(scope)
            call_of(scope).error = error
            _log(error, self._keep_quotes)
            if start is None:
                await error_response(error, trace_id, scope["path"])(scope, receive, send)
            elif _is_event_stream(start):
                write = call_of(scope).error_frames or partial(_chat_error_frame, trace_id)
                await send({"type": "http.response.body", "body": write(error)})
            else:
                raise  # half a JSON body cannot be repaired; the server cuts the connection


def _chat_error_frame(trace_id: str, error: Exception) -> bytes:
    # ASCII, which any text can be written in; half a surrogate pair would break a frame of UTF-8.
    return f"data: {json.dumps(error_object(error, trace_id), ensure_ascii=True)}\n\n".encode("ascii")


def _log(error: Exception, keep_quotes: bool) -> None:
    if not isinstance(error, FlashstepError):
        logger.error("unexpected error", exc_info=error)
    elif error.status >= 500:
        logger.error("%s: %s", error.type, error.message)
    else:
        logger.info("%s: %s", error.type, error.message if keep_quotes else unquoted(error))


def _is_event_stream(start: Message) -> bool:
    headers = dict(start["headers"])
    return bool(headers.get(b"content-type", b"").startswith(b"text/event-stream"))
