"""The schemas of all models that a document mentions, under names that are unique."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from flashstep.server.anthropic import blocks, conversation
from flashstep.server.anthropic import protocol as anthropic
from flashstep.server.chat_completions import messages, protocol, response_format
from flashstep.server.completions import protocol as completions
from flashstep.server.openapi import chat_forms, neighbour_forms
from flashstep.server.openapi.answers import AnthropicError, Error
from flashstep.server.openapi.common_forms import complete_request
from flashstep.server.openapi.forms import Completion, Offer
from flashstep.server.openapi.operation import Operation
from flashstep.server.responses import protocol as responses
from flashstep.server.tokens import protocol as tokens

Json = dict[str, Any]
Model = type[BaseModel]

COMPLETIONS: Mapping[Model, Completion] = {
    protocol.ChatRequest: chat_forms.complete_chat,
    completions.CompletionRequest: chat_forms.complete_completion,
    tokens.TokenizeRequest: chat_forms.complete_tokenize,
    messages.WireMessage: chat_forms.complete_message,
    messages.WireFunctionCall: chat_forms.complete_function_call,
    messages.WireFunction: chat_forms.complete_function,
    messages.WireTool: chat_forms.complete_tool,
    response_format.ResponseFormat: chat_forms.complete_response_format,
    anthropic.CountRequest: neighbour_forms.complete_system,
    anthropic.MessagesRequest: neighbour_forms.complete_messages,
    anthropic.OutputConfig: neighbour_forms.complete_output_config,
    conversation.WireMessage: neighbour_forms.complete_blocks,
    blocks.ToolResultBlock: neighbour_forms.complete_tool_result,
    responses.ResponsesRequest: neighbour_forms.complete_response,
}

_PREFIX = "#/components/schemas/"
# pydantic makes names unique by writing out the module; the folder is enough, and for chat completions,
# whose models the other endpoints borrow, the bare name.
_QUALIFIED = re.compile(r"\bflashstep__server__(?:chat_completions__|([a-z]+)__)?\w+?__(\w+)")
# It writes bounds around a validator under their Python names.
_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}


class _Untitled(GenerateJsonSchema):
    """Without the titles that only repeat a field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never."""
        return False


class Components:
    """`schemas` by name, and references to them by model."""

    def __init__(self, operations: Iterable[Operation], offer: Offer) -> None:
        requests: dict[Model, JsonSchemaMode] = {}
        answers: dict[Model, JsonSchemaMode] = {Error: "serialization"}
        for operation in operations:
            answers[error_model(operation)] = "serialization"
            for answer in (operation.answer, operation.chunk):
                if answer is not None:
                    answers[answer] = "serialization"
            if operation.request is not None:
                requests[operation.request] = "validation"
        parts: dict[Model, JsonSchemaMode] = dict.fromkeys(COMPLETIONS, "validation")
        refs, top = models_json_schema(
            [*(requests | parts).items(), *answers.items()],
            ref_template=f"{_PREFIX}{{model}}",
            schema_generator=_Untitled,
        )
        self._refs = {model: _short(schema["$ref"]) for (model, _), schema in refs.items()}
        self.schemas: dict[str, Json] = json.loads(_short(json.dumps(top["$defs"])))
        for schema in _numbers(self.schemas):
            for python_name in _BOUNDS.keys() & schema.keys():
                schema[_BOUNDS[python_name]] = schema.pop(python_name)
        for model in requests:
            complete_request(self._schema(model), offer)
        for model, complete in COMPLETIONS.items():
            complete(self._schema(model), offer)

    def ref(self, model: Model) -> Json:
        """A reference to a model's schema."""
        return {"$ref": self._refs[model]}

    def _schema(self, model: Model) -> Json:
        return self.schemas[self._refs[model].removeprefix(_PREFIX)]


def error_model(operation: Operation | None) -> Model:
    """What the errors of an operation look like."""
    return AnthropicError if operation and operation.error_form == "anthropic" else Error


def _short(text: str) -> str:
    return _QUALIFIED.sub(lambda match: (match[1] or "").title() + match[2], text)


def _numbers(value: Any) -> Iterator[Json]:
    """The schemas of numbers in `value`."""
    if isinstance(value, dict):
        if value.get("type") in ("integer", "number"):
            yield value
        for inner in value.values():
            yield from _numbers(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _numbers(inner)
