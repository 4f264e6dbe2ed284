"""pydantic's complaints as one InvalidRequest that names field, value and reason."""

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from flashstep.errors import InvalidRequest
from flashstep.server.fields import shown


def invalid_request(error: ValidationError) -> InvalidRequest:
    """The first complaint, and how many more there are; `param` is the field's path ("messages[2].role")."""
    details = error.errors(include_url=False)
    first = details[0]
    path = _path(first["loc"])
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return InvalidRequest(f"{path}: {_reason(first)}{more}", param=path)


def _path(loc: tuple[int | str, ...]) -> str:
    path = ""
    for step in loc:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path


def _reason(detail: ErrorDetails) -> str:
    if detail["type"] == "missing":
        return "this field is required"
    if detail["type"] == "flashstep":
        return detail["msg"]
    return f"{detail['msg'][:1].lower()}{detail['msg'][1:]}, got {shown(detail['input'])}"
