"""The sandbox in which chat templates run, with the filters and functions they expect.

Conventions are those of Hugging Face templates: blocks trimmed, `tojson` is plain JSON (", " and ": ",
insertion order, non-ASCII kept, no HTML escaping), `raise_exception(text)`, `strftime_now(format)`, loop
controls. A template can neither reach Python's internals nor change what it is given.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import Template, TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from flashstep.errors import ConfigError, InvalidRequest

# What a template may raise at run time besides its own errors: Python's, from operations on the inputs.
_RUNTIME_ERRORS = (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError)


class CompiledTemplate:
    """A chat template, compiled once; `source` is its text."""

    def __init__(self, source: str, origin: str) -> None:
        """ConfigError when `source` is not a template; `origin` says where it came from."""
        self.source = source
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
        )
        environment.filters["tojson"] = to_json
        environment.globals["raise_exception"] = _raise_exception
        environment.globals["strftime_now"] = _strftime_now
        try:
            self._template: Template = environment.from_string(source)
        except TemplateError as error:
            raise ConfigError(f"{origin}: the chat template cannot be compiled: {error}") from error

    def render(self, variables: Mapping[str, Any]) -> str:
        """The text for these variables; InvalidRequest when the template raises an error."""
        try:
            return self._template.render(variables)
        except (*_RUNTIME_ERRORS, RecursionError) as error:
            raise InvalidRequest(
                f"messages: the chat template refused them: {error}", param="messages"
            ) from error


def to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """`value` as JSON text; the signature is the one checkpoints' templates call."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)


def _strftime_now(format: str) -> str:
    return datetime.now().strftime(format)
