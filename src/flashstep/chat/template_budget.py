"""What one rendering of a chat template may cost: steps, and characters that it makes.

A checkpoint's template is somebody else's program. The sandbox keeps it from Python's internals; this keeps
it from running or growing without end. Counted are passes of loops and calls (steps), what is printed, joined
and multiplied (characters). Operators and methods that make something big out of little are looked at
before they run. Not counted: the work inside one filter over what was given, which is bounded by its size.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence, Sized
from contextvars import ContextVar
from typing import Any

from jinja2 import TemplateError

MAX_STEPS = 1_000_000  # 10,000 messages take about a twentieth of it
MAX_CHARACTERS = 1 << 27  # of the longest request four times over
MAX_WIDTH = 999  # that something may be padded, indented or cut to
_MAX_BITS = 10_000  # of a whole number
_MAX_INDENT = 16  # of JSON, on each of its lines and for each level
_ITEM_SIZE = 64  # of a list, in characters
# Methods of str, and filters, that take a width.
_PADDING = frozenset(
    (
        "batch", "center", "expandtabs", "format", "indent", "ljust", "rjust", "slice", "tojson", "wordwrap",
        "zfill",
    )
)  # fmt: skip
_WIDE = re.compile(r"[0-9]{4}")


class Budget:
    """What is left of one rendering. Its methods raise TemplateError once it is spent."""

    def __init__(self) -> None:
        self._steps = MAX_STEPS
        self._characters = MAX_CHARACTERS

    def step(self, number: int = 1) -> None:
        """Pay for passes of a loop, or calls."""
        self._steps -= number
        if self._steps < 0:
            raise TemplateError(f"it takes more than {MAX_STEPS} steps")

    def make(self, size: int) -> None:
        """Pay for characters, or items of a list."""
        self._characters -= size
        if self._characters < 0:
            raise TemplateError(f"it makes more than {MAX_CHARACTERS} characters")

    def counted(self, items: Any) -> Any:
        """`items` of a loop, paid for."""
        if isinstance(items, Sized):
            self.step(len(items))
            return items
        return self._counted(items) if isinstance(items, Iterable) else items

    def _counted(self, items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            self.step()
            yield item


CURRENT: ContextVar[Budget] = ContextVar("flashstep_template_budget")


def check_operation(operator: str, left: Any, right: Any) -> None:
    """Pay for the result of `left operator right` before it is made. Raises TemplateError."""
    if isinstance(left, int) and isinstance(right, int):
        _check_integers(operator, left, right)
    elif operator == "%" and isinstance(left, str):
        check_call("format", (left, *(right if isinstance(right, tuple) else (right,))))
    elif operator == "+":
        CURRENT.get().make(_size(left) + _size(right))
    elif operator == "*":
        times = right if isinstance(right, int) else left if isinstance(left, int) else 1
        CURRENT.get().make(max(_size(left), _size(right)) * max(times, 0))


def check_call(name: str, arguments: Sequence[Any]) -> None:
    """Pay for what a method of str or a filter makes of its arguments, the text itself first, and refuse
    enormous widths. Raises TemplateError."""
    limit = _MAX_INDENT if name == "tojson" else MAX_WIDTH
    if name in _PADDING and any(isinstance(value, int) and abs(value) > limit for value in arguments):
        raise TemplateError(f"{name} is asked for a width of more than {limit}")
    texts = [value for value in arguments if isinstance(value, str)]
    if name == "replace" and len(texts) > 2:
        CURRENT.get().make(texts[0].count(texts[1]) * len(texts[2]))
    elif name == "join":
        sizes = [len(value) for value in arguments if isinstance(value, str | list | tuple)]
        # Of items that come one by one the number is not known: as if they were many.
        CURRENT.get().make(math.prod(sizes) if len(sizes) > 1 else sum(map(len, texts)) * MAX_WIDTH)
    elif name == "indent" and texts:
        CURRENT.get().make(texts[0].count("\n") * max([MAX_WIDTH, *map(len, texts[1:])]))
    elif name in ("format", "format_map") and texts:
        if _WIDE.search(texts[0]):
            raise TemplateError(f"format is asked for a width of more than {MAX_WIDTH}")
        num_fields = texts[0].count("%") + texts[0].count("{")
        CURRENT.get().make(num_fields * (MAX_WIDTH + sum(map(_size, arguments[1:]))))


def _check_integers(operator: str, left: int, right: int) -> None:
    bits = {"*": left.bit_length() + right.bit_length(), "**": left.bit_length() * abs(right)}
    if bits.get(operator, 0) > _MAX_BITS:
        raise TemplateError(f"it makes a number of more than {_MAX_BITS} bits")


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    return len(value) * _ITEM_SIZE if isinstance(value, list | tuple | dict) else 0
