"""The sandbox in which chat templates run, with the filters and functions they expect.

Conventions are those of Hugging Face templates: blocks trimmed, `tojson` is plain JSON (", " and ": ",
insertion order, non-ASCII kept, no HTML escaping), `raise_exception(text)`, `strftime_now(format)`, loop
controls. A template can neither reach Python's internals nor change what it is given, and what it costs has
bounds (template_budget.py).
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import wraps
from typing import Any, NoReturn

from jinja2 import Template, TemplateError, nodes, pass_context
from jinja2.ext import loopcontrols
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from flashstep.chat.template_budget import CURRENT, Budget, check_call, check_operation
from flashstep.errors import ConfigError, InvalidRequest

# What a template may raise at run time besides its own errors: Python's, from operations on the inputs.
_RUNTIME_ERRORS = (
    TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError, MemoryError,
    RecursionError,
)  # fmt: skip
# Filters that the compiled template has in place of what cannot be intercepted.
_LOOP, _CONCAT = "flashstep_loop", "flashstep_concat"


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox with a price on everything that repeats or grows."""

    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols], finalize=_printed)
        del self.globals["lipsum"]
        self.filters = {name: _paid(name, filter) for name, filter in self.filters.items()}
        self.filters |= {"tojson": _paid("tojson", to_json), _LOOP: _loop, _CONCAT: _concat}

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """A call within a template."""
        CURRENT.get().step()
        text = getattr(getattr(obj, "__wrapped__", obj), "__self__", None)  # the sandbox wraps str.format
        if isinstance(text, str):
            check_call(obj.__name__, (text, *args, *kwargs.values()))
        return super().call(context, obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """An operator within a template."""
        check_operation(operator, left, right)
        return super().call_binop(context, operator, left, right)

    def compiled(self, source: str) -> Template:
        """The template, its loops and `~` passed through our filters. Raises TemplateError."""
        tree = self.parse(source)
        for loop in list(tree.find_all(nodes.For)):
            loop.iter = _filter(loop.iter, _LOOP)
        for concat in list(tree.find_all(nodes.Concat)):
            concat.nodes = [_filter(nodes.List(concat.nodes, lineno=concat.lineno), _CONCAT)]
        return self.from_string(tree)


class CompiledTemplate:
    """A chat template, compiled once; `source` is its text."""

    def __init__(self, source: str, origin: str) -> None:
        """ConfigError when `source` is not a template; `origin` says where it came from."""
        self.source = source
        environment = _Environment()
        environment.globals["raise_exception"] = _raise_exception
        environment.globals["strftime_now"] = _strftime_now
        try:
            self._template = environment.compiled(source)
        except (TemplateError, SyntaxError, RecursionError) as error:  # Python's, of the code it becomes
            raise ConfigError(f"{origin}: the chat template cannot be compiled: {error}") from error

    def render(self, variables: Mapping[str, Any]) -> str:
        """The text for these variables; InvalidRequest when the template raises an error, or has no end."""
        token = CURRENT.set(Budget())
        try:
            return self._template.render(variables)
        except _RUNTIME_ERRORS as error:
            reason = str(error) or type(error).__name__
            raise InvalidRequest(
                f"messages: the chat template refused them: {reason}", param="messages"
            ) from error
        finally:
            CURRENT.reset(token)


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


def _filter(value: Any, name: str) -> nodes.Filter:
    return nodes.Filter(value, name, [], [], None, None, lineno=value.lineno)


def _paid(name: str, filter: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(filter)  # keeps jinja's marks on it
    def paid(*args: Any, **kwargs: Any) -> Any:
        check_call(name, (*args, *kwargs.values()))
        return filter(*args, **kwargs)

    return paid


# With the context, so that the compiler does not run them beforehand on what is constant.
@pass_context
def _printed(context: Context, value: Any) -> Any:
    CURRENT.get().make(len(value) if isinstance(value, str) else 32)
    return value


@pass_context
def _loop(context: Context, items: Any) -> Any:
    return CURRENT.get().counted(items)


@pass_context
def _concat(context: Context, parts: list[Any]) -> str:
    texts = [str(part) for part in parts]
    CURRENT.get().make(sum(map(len, texts)))
    return "".join(texts)


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)


def _strftime_now(format: str) -> str:
    return datetime.now().strftime(format)
