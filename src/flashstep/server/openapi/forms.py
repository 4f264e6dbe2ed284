"""Tools to complete the schemas that pydantic writes for request models.

Not in the types of a model's fields are: ranges that `SamplingParams` checks, what the running server
has (models, tokens, limits), values that are refused, and forms that a validator turns into the type
(one stop string for a list of them).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]

NULL: Schema = {"type": "null"}
TEXT: Schema = {"type": "string"}
TEXT_PART: Schema = {
    "type": "object",
    "properties": {"type": {"const": "text"}, "text": TEXT},
    "required": ["type", "text"],
}
# The JSON text of an object; the format is ours.
JSON_OBJECT_TEXT: Schema = {"type": "string", "format": "json-object"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What the running server has: the names of its models, token ids below `vocab_size`, at most
    `max_choices` answers a request, JSON mode or not."""

    model_names: tuple[str, ...]
    vocab_size: int
    max_choices: int
    json_mode: bool


# Completes the schema of one model.
Completion = Callable[[Schema, Offer], None]


def one_of(*forms: Schema, description: str = "") -> Schema:
    """A field that may have any of `forms`."""
    return {"description": description, "anyOf": list(forms)} if description else {"anyOf": list(forms)}


def list_of(item: Schema) -> Schema:
    """An array of items."""
    return {"type": "array", "items": item}


def narrow(fields: dict[str, Schema], name: str, limits: Schema) -> None:
    """Put `limits` on every form of a field but null; nothing if there is no such field."""
    field = fields.get(name, NULL)
    for form in field.get("anyOf", [field]):
        if form.get("type") != "null":
            form.update(limits)
