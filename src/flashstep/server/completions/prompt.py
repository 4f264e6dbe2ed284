"""The forms of `prompt`: a text, token ids, or several of either in one list."""

from typing import Any, cast

from flashstep.server.fields import shown
from flashstep.server.validation import complaint

Prompt = str | tuple[int, ...]

MAX_PROMPTS = 512

_TOKEN_IDS = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}
_TEXT = {"type": "string", "minLength": 1}
SCHEMA: dict[str, Any] = {
    "description": "A text, a list of token ids, or several of them in one list.",
    "anyOf": [
        _TEXT,
        _TOKEN_IDS,
        {"type": "array", "items": {"anyOf": [_TEXT, _TOKEN_IDS]}, "minItems": 1, "maxItems": MAX_PROMPTS},
    ],
}


def read_prompts(value: object) -> tuple[Prompt, ...]:
    """All forms as one: at least one prompt, none of them empty. Raises a complaint."""
    if isinstance(value, str):
        return (_text(value, "the text"),)
    if not isinstance(value, list) or not value:
        raise complaint(f"must be a text, or a list of texts or token ids, got {shown(value)}")
    if isinstance(value[0], int | float):
        return (_token_ids(value, ""),)
    if len(value) > MAX_PROMPTS:
        raise complaint(f"has {len(value)} prompts; at most {MAX_PROMPTS} go into one request, send several")
    return tuple(_one(item, f"[{index}]") for index, item in enumerate(value))


def _one(item: object, place: str) -> Prompt:
    if isinstance(item, str):
        return _text(item, f"item {place}")
    if isinstance(item, list) and item:
        return _token_ids(item, place)
    raise complaint(
        f"item {place} must be a text or a list of token ids that is not empty, got {shown(item)}"
    )


def _text(value: str, name: str) -> str:
    if not value:
        raise complaint(f"{name} is empty; there is nothing to continue")
    return value


def _token_ids(value: list[object], place: str) -> tuple[int, ...]:
    # Prompts may have hundreds of thousands of ids, so the usual case is one pass without a loop here.
    if set(map(type, value)) == {int}:
        token_ids = tuple(cast(list[int], value))
        if min(token_ids) >= 0:
            return token_ids
    return tuple(_token_id(item, f"{place}[{index}]") for index, item in enumerate(value))


def _token_id(item: object, place: str) -> int:
    if isinstance(item, float) and item.is_integer():  # JSON has one kind of number: 16.0 is 16
        item = int(item)
    if isinstance(item, bool) or not isinstance(item, int) or item < 0:
        raise complaint(f"item {place} must be a token id (an integer from 0), got {shown(item)}")
    return item
