"""What a Responses request says about its output: `reasoning` and `text`."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from flashstep.errors import InvalidRequest
from flashstep.server.chat_completions.thinking import ReasoningOptions
from flashstep.server.validation import Integer


class ReasoningWish(ReasoningOptions):
    """`reasoning`. The model always thinks: whoever asks for none gets little, and none of it is shown.
    `budget` (or `max_tokens`) counts tokens after which it is closed."""

    summary: Literal["auto", "concise", "detailed", "none"] | None = None
    budget: Integer | None = Field(default=None, ge=0)

    @property
    def asks_for_none(self) -> bool:
        """The model is not to think."""
        return self.effort in ("none", "minimal") or self.enabled is False

    @property
    def is_hidden(self) -> bool:
        """The reasoning is to be left out of the answer."""
        return self.asks_for_none or self.exclude is True

    @property
    def token_budget(self) -> int | None:
        """Tokens of reasoning after which it is closed; None = unbounded."""
        return self.budget if self.budget is not None else self.max_tokens

    def warnings(self) -> tuple[str, ...]:
        """What is taken but changes less than its name says."""
        told: list[str] = []
        if self.asks_for_none:
            told.append("this model always thinks: its reasoning is kept short and left out of the answer")
        elif self.effort is not None:
            told.append("reasoning.effort has no effect: this model has no levels of effort")
        if self.summary not in (None, "none"):
            told.append("reasoning.summary has no effect: the reasoning itself is in the content")
        return tuple(told)


class TextFormat(BaseModel):
    """`text.format`: free text, any JSON object, or a value of a JSON schema."""

    model_config = ConfigDict(strict=True, extra="ignore")

    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str | None = Field(default=None, pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    definition: dict[str, Any] | None = Field(default=None, alias="schema")
    description: str | None = None
    strict: bool | None = None

    @model_validator(mode="after")
    def _check(self) -> "TextFormat":
        if self.type == "json_schema" and (self.name is None or self.definition is None):
            raise PydanticCustomError("flashstep", "'json_schema' needs a name and a schema")
        return self

    def json_schema(self, json_mode: bool) -> dict[str, Any] | None:
        """What the answer must be, as in AnswerRule. Raises InvalidRequest when JSON is asked for and
        `json_mode` is off."""
        if self.type == "text":
            return None
        if not json_mode:
            raise InvalidRequest(
                f"text.format: {self.type!r} needs JSON mode, which is off on this server; start it with "
                "--json-mode on, or send {'type': 'text'} and ask for JSON in the input",
                param="text.format",
                code="unsupported_parameter",
            )
        return {} if self.type == "json_object" else self.definition

    def echo(self) -> dict[str, Any]:
        """The form in which a response repeats it."""
        if self.type != "json_schema":
            return {"type": self.type}
        return {
            "type": self.type,
            "name": self.name,
            "description": self.description,
            "schema": self.definition,
            "strict": True,  # what is asked for is enforced
        }


def _or_text(value: object) -> object:
    """null is "not given"."""
    return TextFormat() if value is None else value


class TextWish(BaseModel):
    """`text`. A verbosity is repeated and changes nothing."""

    model_config = ConfigDict(strict=True, extra="ignore")

    format: Annotated[TextFormat, BeforeValidator(_or_text)] = Field(default_factory=TextFormat)
    verbosity: Literal["low", "medium", "high"] | None = None

    def warnings(self) -> tuple[str, ...]:
        """What is taken but changes nothing."""
        told = "text.verbosity has no effect: this model has no levels of it"
        return () if self.verbosity is None else (told,)

    def echo(self) -> dict[str, Any]:
        """The form in which a response repeats it."""
        return {"format": self.format.echo(), "verbosity": self.verbosity or "medium"}
