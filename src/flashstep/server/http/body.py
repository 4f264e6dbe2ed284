"""Reads a JSON object from a request body, within a limit."""

from typing import Any

import pydantic_core
from starlette.requests import Request

from flashstep.errors import InvalidRequest
from flashstep.server.http.errors import BodyTooLarge

# A body over the limit is still read (and dropped) up to this multiple: a client that is cut off
# while sending sees a broken connection instead of the 413.
_DRAIN_FACTOR = 4


async def read_json(request: Request, max_body_bytes: int) -> dict[str, Any]:
    """The body as a dict. Raises BodyTooLarge, or InvalidRequest saying where the JSON breaks.

    NaN and infinities are let through, so that the field that holds one can be named.
    """
    body = await _read(request, max_body_bytes)
    try:
        value = pydantic_core.from_json(body)
    except ValueError as error:
        raise InvalidRequest(f"the body is not valid JSON: {error}", code="invalid_json") from error
    if not isinstance(value, dict):
        raise InvalidRequest(
            f'the body must be a JSON object like {{"model": ..., "messages": [...]}}, '
            f"not {_JSON_NAMES[type(value)]}",
            code="invalid_json",
        )
    return value


_JSON_NAMES = {list: "an array", str: "a string", int: "a number", float: "a number", bool: "a boolean"}
_JSON_NAMES[type(None)] = "null"


async def _read(request: Request, max_body_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= max_body_bytes:
            chunks.append(chunk)
        elif size > _DRAIN_FACTOR * max_body_bytes:
            break
    if size > max_body_bytes:
        raise BodyTooLarge(
            f"the request body is larger than {max_body_bytes} bytes, the limit of this server; send less",
            code="body_too_large",
        )
    return b"".join(chunks)
