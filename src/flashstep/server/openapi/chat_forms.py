"""Forms of chat completions, raw completions and the token endpoints beyond the types of their models."""

from collections.abc import Mapping

from flashstep.server.completions.protocol import REFUSED as REFUSED_IN_COMPLETIONS
from flashstep.server.fields import REFUSED, Refusal
from flashstep.server.openapi.forms import (
    JSON_OBJECT_TEXT,
    NULL,
    TEXT,
    TEXT_PART,
    Offer,
    Schema,
    list_of,
    narrow,
    one_of,
)

_REFUSAL_PART: Schema = {
    "type": "object",
    "properties": {"type": {"const": "refusal"}, "refusal": TEXT},
    "required": ["type", "refusal"],
}


def complete_chat(schema: Schema, offer: Offer) -> None:
    """Chat completions: what is refused, and limits of this server."""
    fields = schema["properties"]
    tell_refused(fields, REFUSED)
    narrow(fields, "n", {"maximum": offer.max_choices})
    for name in ("max_tokens", "max_completion_tokens", "max_output_tokens"):
        narrow(fields, name, {"not": {"const": 0}})


def complete_completion(schema: Schema, offer: Offer) -> None:
    """Raw completions: what is refused, and limits of this server."""
    fields = schema["properties"]
    tell_refused(fields, REFUSED_IN_COMPLETIONS)
    narrow(fields, "n", {"maximum": offer.max_choices})
    narrow(fields, "best_of", {"maximum": offer.max_choices})


def tell_refused(fields: dict[str, Schema], refused: Mapping[str, Refusal]) -> None:
    """Of each field that is refused the values that are taken, and the way out."""
    for name, refusal in refused.items():
        fields[name] = {"enum": [None, *refusal.off_values], "description": refusal.advice}


def complete_tokenize(schema: Schema, offer: Offer) -> None:
    """A text or messages, not both and not neither."""
    schema["anyOf"] = [
        {"properties": {"prompt": TEXT, "messages": NULL}, "required": ["prompt"]},
        {"properties": {"prompt": NULL, "messages": {"type": "array"}}, "required": ["messages"]},
    ]


def complete_message(schema: Schema, offer: Offer) -> None:
    """Roles differ in what their content may be."""
    texts = list_of(TEXT_PART)
    texts_and_refusals = list_of(one_of(TEXT_PART, _REFUSAL_PART))
    del schema["properties"]["role"], schema["properties"]["content"], schema["required"]
    schema["anyOf"] = [
        _of_role(["system", "developer", "user"], [TEXT, texts], ["role", "content"]),
        _of_role(["assistant"], [TEXT, texts_and_refusals, NULL], ["role"]),
        _of_role(["tool"], [TEXT, texts, NULL], ["role"]),
    ]


def _of_role(roles: list[str], contents: list[Schema], required: list[str]) -> Schema:
    fields = {"role": {"enum": roles}, "content": one_of(*contents)}
    return {"type": "object", "properties": fields, "required": required}


def complete_function_call(schema: Schema, offer: Offer) -> None:
    """Arguments as an object, or as the JSON text of one."""
    schema["properties"]["arguments"] = one_of({"type": "object"}, JSON_OBJECT_TEXT, {"const": ""}, NULL)


def complete_function(schema: Schema, offer: Offer) -> None:
    """Parameters are those of an object."""
    narrow(schema["properties"], "parameters", {"properties": {"type": {"const": "object"}}})


def complete_tool(schema: Schema, offer: Offer) -> None:
    """Functions are the only tools."""
    schema["properties"]["type"] = {"const": "function"}


def complete_response_format(schema: Schema, offer: Offer) -> None:
    """Text alone, unless JSON mode is on."""
    if not offer.json_mode:
        schema["properties"]["type"] = {"const": "text"}
