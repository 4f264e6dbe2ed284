"""Forms of the Messages and Responses formats beyond the types of their models."""

from flashstep.server.anthropic.protocol import REFUSED as REFUSED_IN_MESSAGES
from flashstep.server.openapi.chat_forms import tell_refused
from flashstep.server.openapi.forms import NULL, TEXT, TEXT_PART, Offer, Schema, list_of, one_of
from flashstep.server.responses.protocol import REFUSED

_ITEM: Schema = {"type": "object", "description": "A message, a call, a call's output or reasoning."}
_TYPED: Schema = {"type": "object", "properties": {"type": TEXT}, "required": ["type"]}


def complete_system(schema: Schema, offer: Offer) -> None:
    """The system prompt as a text or as blocks; servers of tools are not called from here."""
    fields = schema["properties"]
    fields["system"] = one_of(TEXT, list_of(TEXT_PART), NULL)
    fields["mcp_servers"] = {"enum": [None, []]}


def complete_messages(schema: Schema, offer: Offer) -> None:
    """The same, and what is refused."""
    complete_system(schema, offer)
    tell_refused(schema["properties"], REFUSED_IN_MESSAGES)


def complete_blocks(schema: Schema, offer: Offer) -> None:
    """The content of a message as a text or as blocks."""
    fields = schema["properties"]
    fields["content"] = one_of(TEXT, fields["content"])


def complete_tool_result(schema: Schema, offer: Offer) -> None:
    """The output of a tool as a text or as blocks."""
    schema["properties"]["content"] = one_of(TEXT, list_of(TEXT_PART), NULL)


def complete_output_config(schema: Schema, offer: Offer) -> None:
    """A format can be asked for where JSON mode is on."""
    if not offer.json_mode:
        schema["properties"]["format"] = NULL


def complete_response(schema: Schema, offer: Offer) -> None:
    """The input as a text or as items, tools by their type, and what is refused."""
    fields = schema["properties"]
    fields["input"] = one_of(TEXT, list_of(_ITEM))
    schema["required"] = [*schema["required"], "input"]
    fields["tools"] = one_of(list_of(_TYPED), NULL)
    tell_refused(fields, REFUSED)
