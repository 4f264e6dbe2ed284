"""What a route says about itself for the OpenAPI document."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

ErrorForm = Literal["openai", "anthropic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of the document.

    name: becomes the operationId. summary: one line for people. request: the model that checks the
    body, None = there is no body. answer: what a success holds as JSON, None = it has another media
    type (`text_type`), or there is no success. chunk: what each `data:` line of the event stream holds,
    for bodies that ask for `stream`; `end_mark` is the data of the last event where that is no
    JSON. errors: its own error statuses; those that any call may end in
    come on top.
    """

    name: str
    summary: str
    tag: str
    request: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    chunk: type[BaseModel] | None = None
    end_mark: str | None = None
    text_type: str | None = None
    errors: tuple[int, ...] = ()
    error_form: ErrorForm = "openai"
