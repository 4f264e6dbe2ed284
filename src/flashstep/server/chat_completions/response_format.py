"""`response_format`: text, any JSON object, or a value of a JSON schema. Form: OpenAI's.

Off unless the operator switched it on, as the hosted service has no JSON mode either. Whether a
schema can be enforced is decided where the grammar is made.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from flashstep.errors import InvalidRequest
from flashstep.server.fields import shown
from flashstep.server.settings import ServerSettings
from flashstep.server.validation import complaint


class JsonSchema(BaseModel):
    """`response_format.json_schema`. `strict` changes nothing: a schema is always enforced."""

    model_config = ConfigDict(strict=True, extra="ignore")

    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    definition: dict[str, Any] = Field(alias="schema")
    description: str | None = None
    strict: bool | None = None


class ResponseFormat(BaseModel):
    """The form that the answer must have."""

    model_config = ConfigDict(strict=True, extra="ignore")

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = Field(default=None, validate_default=True)

    @field_validator("json_schema", mode="after")
    @classmethod
    def _is_there(cls, value: JsonSchema | None, info: ValidationInfo) -> JsonSchema | None:
        if value is None and info.data.get("type") == "json_schema":
            raise complaint("this field is required, with name and schema")
        return value

    def schema_of_answer(self, settings: ServerSettings) -> dict[str, Any] | None:
        """None for text, {} for any JSON object, else the schema. Raises InvalidRequest when JSON was
        asked for and is switched off."""
        if self.type == "text":
            return None
        if not settings.json_mode:
            raise InvalidRequest(
                f"response_format: {shown(self.type)} is not supported here, JSON mode is switched off; "
                "start the server with --json-mode on, or send {'type': 'text'} and ask in the prompt",
                param="response_format",
                code="unsupported_parameter",
            )
        if self.type == "json_object" or self.json_schema is None:
            return {}
        return self.json_schema.definition
