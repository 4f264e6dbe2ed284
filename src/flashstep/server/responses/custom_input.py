"""The text inside a custom tool's arguments, piece by piece, while their JSON is still arriving.

The arguments are `{"input": "..."}` with at most other members behind; the text flows as soon as it is
certain, never half an escape sequence. Arguments of any other shape are handed over as they are when
the call is complete: the tool then sees what the model wrote.
"""

import json
import re

from flashstep.server.responses.tools import CUSTOM_PARAMETER

_OPENING = re.compile(rf'\s*\{{\s*"{CUSTOM_PARAMETER}"\s*:\s*"')
# As many whole characters and escapes as there are. The JSON is our own tool parser's, which writes \u for
# control characters alone, so no surrogate pair can be torn.
_CHARACTERS = re.compile(r'(?:[^"\\]|\\u[0-9a-fA-F]{4}|\\[^u])*')


class CustomInput:
    """Reads the arguments of one call."""

    def __init__(self) -> None:
        self._pieces: list[str] = []  # of the arguments' JSON
        self._unread = ""
        self._is_open = False
        self.text = ""

    def feed(self, arguments: str) -> str:
        """Read on; the text that is now certain."""
        self._pieces.append(arguments)
        self._unread += arguments
        if not self._is_open:
            opening = _OPENING.match(self._unread)
            if opening is None:
                return ""
            self._is_open = True
            self._unread = self._unread[opening.end() :]
        whole = _CHARACTERS.match(self._unread)
        assert whole is not None, "the pattern matches the empty start of every text"
        self._unread = self._unread[whole.end() :]
        return self._add(json.loads(f'"{whole[0]}"', strict=False))

    def finish(self) -> tuple[str, bool]:
        """The arguments have ended: the rest of the text, and whether they are complete."""
        arguments = "".join(self._pieces)
        try:
            value = json.loads(arguments)
        except ValueError:
            return "", False
        if self._is_open:
            return "", True
        text = value.get(CUSTOM_PARAMETER) if isinstance(value, dict) else None
        return self._add(text if isinstance(text, str) else arguments), True

    def _add(self, text: str) -> str:
        self.text += text
        return text
