"""The OpenAPI 3.1 document of an application, made from its own routes.

What is written about a request comes from the model that checks it, so that document and server
agree. Statuses, error objects and headers that all calls share are added here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version
from typing import Protocol

from pydantic import BaseModel

from flashstep.server.openapi.components import Components, Json, error_model
from flashstep.server.openapi.forms import Offer
from flashstep.server.openapi.operation import Operation

_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
_TRACE_ID = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_HEADERS: Json = {
    "X-Trace-Id": {"description": "The call's trace id.", "required": True, "schema": _TRACE_ID},
    "X-Request-Id": {"description": "The same, as SDKs expose it.", "required": True, "schema": _TRACE_ID},
    "Retry-After": {
        "description": "Seconds after which to try again.",
        "schema": {"type": "integer", "minimum": 1},
    },
}
_ALWAYS = ("X-Trace-Id", "X-Request-Id")
_SECURITY_SCHEMES: Json = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "Authorization: Bearer <key>"},
    "api_key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
}
_ANY_KEY: list[Json] = [{"bearer": []}, {"api_key": []}]
_ANYWHERE = (414, 431, 500, 503)  # limits of a request's head; the unforeseen; overload and shutdown
_RETRYABLE = (429, 503)
_BODY_ERRORS = (400, 408, 413)


class DescribedRoute(Protocol):
    """A route as the application has it."""

    @property
    def methods(self) -> tuple[str, ...]:
        """HTTP methods."""
        ...

    @property
    def path(self) -> str:
        """The path, with parameters in braces."""
        ...

    @property
    def operation(self) -> Operation | None:
        """What is known of it; None = nothing but method and path."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """What the document must know of the running server. needs_key: whether paths outside
    `public_paths` want an API key."""

    offer: Offer
    needs_key: bool
    public_paths: frozenset[str]


def document(routes: Sequence[DescribedRoute], facts: ServerFacts) -> Json:
    """The whole document, made of JSON values."""
    components = Components([route.operation for route in routes if route.operation], facts.offer)
    writer = _Writer(components, facts)
    paths: dict[str, Json] = {}
    for route in routes:
        path = paths.setdefault(_PARAMETER.sub(r"{\1}", route.path), {})
        for method in route.methods:
            path[method.lower()] = writer.operation(route, method)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "flashstep",
            "version": version("flashstep"),
            "description": "Step 3.5 Flash behind the APIs of OpenAI and Anthropic.",
        },
        "paths": paths,
        "components": {
            "schemas": components.schemas,
            "headers": _HEADERS,
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


def _headers(*names: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


class _Writer:
    """Writes operations; counts their names, since one may be served at several paths."""

    def __init__(self, components: Components, facts: ServerFacts) -> None:
        self._components = components
        self._facts = facts
        self._num_uses: dict[str, int] = {}

    def operation(self, route: DescribedRoute, method: str) -> Json:
        """The operation object of one method of a route."""
        about = route.operation
        is_keyed = self._facts.needs_key and route.path not in self._facts.public_paths
        written: Json = {
            "operationId": self._name(about.name if about else route.path, method),
            "responses": self._responses(about, is_keyed=is_keyed),
            "security": _ANY_KEY if is_keyed else [],
        }
        if about is not None:
            written |= {"summary": about.summary, "tags": [about.tag]}
        if about is not None and about.request is not None:
            schema = self._components.ref(about.request)
            written["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
        parameters = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in _PARAMETER.findall(route.path)
        ]
        return written | ({"parameters": parameters} if parameters else {})

    def _name(self, name: str, method: str) -> str:
        name = f"{name}_head" if method == "HEAD" else name
        count = self._num_uses[name] = self._num_uses.get(name, 0) + 1
        return name if count == 1 else f"{name}_{count}"

    def _responses(self, about: Operation | None, *, is_keyed: bool) -> Json:
        statuses = {*_ANYWHERE, *((401, 429) if is_keyed else ())}
        responses: Json = {}
        if about is None:
            responses["default"] = {"description": "not described"}
        else:
            statuses |= {*about.errors, *(_BODY_ERRORS if about.request else ())}
            content = self._content(about)
            if content:
                responses["200"] = {"description": "OK", "headers": _headers(*_ALWAYS), "content": content}
        error = self._components.ref(error_model(about))
        for status in sorted(statuses):
            responses[str(status)] = {
                "description": HTTPStatus(status).phrase,
                "headers": _headers(*_ALWAYS, *(("Retry-After",) if status in _RETRYABLE else ())),
                "content": {"application/json": {"schema": error}},
            }
        return responses

    def _content(self, about: Operation) -> Json:
        content: Json = {}
        if about.answer is not None:
            content["application/json"] = {"schema": self._components.ref(about.answer)}
        if about.chunk is not None:
            content["text/event-stream"] = {"schema": self._event(about, about.chunk)}
        if about.text_type is not None:
            content[about.text_type] = {"schema": {"type": "string"}}
        return content

    def _event(self, about: Operation, chunk: type[BaseModel]) -> Json:
        """One event of a stream; what fails on the way is its last one."""
        said = {"anyOf": [self._components.ref(chunk), self._components.ref(error_model(about))]}
        data: list[Json] = [{"contentMediaType": "application/json", "contentSchema": said}]
        if about.end_mark is not None:
            data.append({"const": about.end_mark})
        return {
            "description": "Describes one event of the stream.",
            "type": "object",
            "properties": {"event": {"type": "string"}, "data": {"type": "string", "anyOf": data}},
            "required": ["data"],
        }
