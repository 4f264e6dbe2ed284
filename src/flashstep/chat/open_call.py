"""One tool call while it is being read: turns parameters into pieces of its arguments' JSON text.

The pieces concatenate to `json.dumps(arguments, ensure_ascii=False)`. A repeated parameter replaces the
earlier value, so finished parameters stay here until `release` says that waiting has lasted long enough;
from then on text parameters flow inside their value. A parameter repeated after its first value was
sent is written again: readers of JSON keep the last one.
"""

import json
from typing import Any

from flashstep.chat.coerce import coerce, is_string_type, parameter_type

# `null` must be told from a text that begins like it before a string can be opened.
_NULL_GUARD = len("null")


class OpenCall:
    """A call of function `name`; `schema` is the JSON schema of its parameters."""

    def __init__(self, name: str, schema: dict[str, Any]) -> None:
        self.name = name
        self.is_streaming = False
        self._schema = schema
        self._members: dict[str, Any] = {}
        self._has_sent = False
        self._key: str | None = None
        self._type = ""
        self._text = ""
        self._is_first_text = True
        self._has_open_string = False
        self._out: list[str] = []

    def open(self, key: str) -> None:
        """A parameter begins."""
        self._key, self._type = key, parameter_type(self._schema, key)
        self._text, self._is_first_text, self._has_open_string = "", True, False

    def extend(self, text: str) -> None:
        """More text of the open value; one newline at its very start belongs to the markup."""
        if self._is_first_text and text:
            text = text.removeprefix("\n")
            self._is_first_text = False
        self._text += text
        if self.is_streaming:
            self._stream()

    def shut(self, rest: str) -> None:
        """The open value ends with `rest`; one newline at its very end belongs to the markup."""
        self.extend(rest)
        assert self._key is not None, "a value ended that never began"
        text = self._text.removesuffix("\n")
        if self._has_open_string:
            self._out.append(_escaped(text) + '"')
        else:
            self._members[self._key] = coerce(text, self._type)
        self._key = None
        if self.is_streaming:
            self._write_members()

    def release(self) -> None:
        """Stop waiting for repeated parameters: what is known flows from here on."""
        self.is_streaming = True
        self._write_members()
        self._stream()

    def close(self) -> None:
        """The call is complete."""
        self._write_members()
        self._out.append("}" if self._has_sent else "{}")

    def break_off(self) -> None:
        """The call ends in the middle, behind `release`: the open value goes out as far as it came, as a text
        that nothing closes. So half a call is never JSON by accident, whatever the value spells."""
        if self._key is not None:
            self._open_string()
            self._out.append(_escaped(self._text))
            self._key = None

    def take(self) -> str:
        """The JSON text that became ready since the last take."""
        text = "".join(self._out)
        self._out.clear()
        return text

    def _write_members(self) -> None:
        for key, value in self._members.items():
            self._write_key(key)
            self._out.append(json.dumps(value, ensure_ascii=False))
        self._members.clear()

    def _write_key(self, key: str) -> None:
        self._out.append((", " if self._has_sent else "{") + json.dumps(key, ensure_ascii=False) + ": ")
        self._has_sent = True

    def _stream(self) -> None:
        """Send the open value's text, all but a newline that may turn out to be its last."""
        if self._key is None or not is_string_type(self._type):
            return
        if not self._has_open_string and len(self._text) <= _NULL_GUARD + 1:
            return
        self._open_string()
        keep = 1 if self._text.endswith("\n") else 0
        ready = self._text[: len(self._text) - keep]
        self._out.append(_escaped(ready))
        self._text = self._text[len(ready) :]

    def _open_string(self) -> None:
        if not self._has_open_string:
            assert self._key is not None, "a value without a parameter"
            self._write_key(self._key)
            self._out.append('"')
            self._has_open_string = True


def _escaped(text: str) -> str:
    """`text` as the inside of a JSON string; escapes are per character, so pieces concatenate."""
    return json.dumps(text, ensure_ascii=False)[1:-1]
