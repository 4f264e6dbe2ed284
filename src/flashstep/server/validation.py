"""pydantic's complaints as one InvalidRequest that names field, value and reason; and what it does not check:
numbers inside of what may be any JSON."""

import math
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from flashstep.errors import InvalidRequest
from flashstep.server.fields import shown

T = TypeVar("T")


def invalid_request(error: ValidationError, place: str = "", tags: Sequence[str] = ()) -> InvalidRequest:
    """The first complaint, and how many more there are; `param` is the field's path ("messages[2].role"),
    inside `place` when a part of the request was checked by itself. `tags`: kinds of list entries, which
    pydantic puts into the path behind the entry's number."""
    details = error.errors(include_url=False)
    first = details[0]
    path = _path((place, *first["loc"]) if place else first["loc"], tags)
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    code = first.get("ctx", {}).get("code")
    return InvalidRequest(f"{path}: {_reason(first)}{more}", param=path, code=code)


def complaint(message: str, code: str | None = None) -> PydanticCustomError:
    """What a validator raises to be reported in these words; `code` is the error's."""
    # Braces in user data must not be read as a format template.
    return PydanticCustomError("flashstep", "{reason}", {"reason": message, "code": code})


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# JSON has one kind of number: 16.0 is the integer 16, and some clients write it so.
Integer = Annotated[int, BeforeValidator(_whole)]

# Only the first complaint is told, so none is made behind it: a small body with 200,000 wrong entries would
# take a second of the event loop and hundreds of megabytes. Every list and map of a request is one of these.
# (Not FailFast(), which has no hash and so cannot stand beside None.)
ListOf = Annotated[list[T], Field(fail_fast=True)]
MapOf = Annotated[dict[str, T], Field(fail_fast=True)]


def check_finite(field: str, value: Any) -> None:
    """Raise InvalidRequest when a number in `value` is NaN or infinite, which JSON cannot repeat."""
    loc = _way_to_infinite(value)
    if loc is not None:
        path = _path((field, *loc), ())
        raise InvalidRequest(f"{path}: NaN and infinities are no JSON; send a finite number", param=path)


def _way_to_infinite(value: Any) -> tuple[int | str, ...] | None:
    if isinstance(value, float):
        return None if math.isfinite(value) else ()
    members: Iterable[tuple[int | str, Any]] = ()
    if isinstance(value, dict):
        members = value.items()
    elif isinstance(value, list):
        members = enumerate(value)
    for step, member in members:
        way = _way_to_infinite(member)  # as deep as the reader of bodies lets JSON be
        if way is not None:
            return (step, *way)
    return None


def _path(loc: tuple[int | str, ...], tags: Sequence[str]) -> str:
    path = ""
    for before, step in zip(("", *loc), loc, strict=False):
        if isinstance(before, int) and step in tags:
            continue
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path


def _reason(detail: ErrorDetails) -> str:
    if detail["type"] == "missing":
        return "this field is required"
    if detail["type"] == "flashstep":
        return detail["msg"]
    return f"{detail['msg'][:1].lower()}{detail['msg'][1:]}, got {shown(detail['input'])}"
