"""Every failure of the Messages paths as `{"type": "error", "error": {type, message}, "request_id"}`.

The kind follows from the HTTP status, as in Anthropic's own service; only an engine that is dead
is not called overloaded, for no waiting helps there. The request id is the trace id.
"""

from collections.abc import Mapping
from typing import Any

from flashstep.errors import ContextLengthExceeded, EngineDead, FlashstepError

_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def anthropic_error(error: FlashstepError, trace_id: str) -> dict[str, Any]:
    """The JSON body that describes `error`."""
    kind = _TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "api_error")
    if isinstance(error, EngineDead):
        kind = "api_error"
    message = error.message
    if isinstance(error, ContextLengthExceeded):
        message = f"prompt is too long: {message}"  # the words at which agents begin to compact
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": trace_id}
