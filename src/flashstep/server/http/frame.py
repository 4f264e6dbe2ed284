"""One message of a `text/event-stream`, and JSON that survives every client's line splitter."""

import json
from typing import Any

KEEP_ALIVE = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"  # how the streams of OpenAI's chats and completions end

# Made once: dumps() makes one a call. NaN would be no JSON: better no frame than one that breaks its reader.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_LINE_BREAKS = str.maketrans({"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def frame(data: dict[str, Any], event: str | None = None) -> bytes:
    """`data` as one message, with an `event:` line when it has a name."""
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {json_text(data)}\n\n".encode()


def json_text(value: Any) -> str:
    """Compact JSON without any character that a line splitter of some client takes as a line end. Raises
    ValueError for NaN and infinities."""
    text = _ENCODER.encode(value)
    return text if text.isascii() else text.translate(_LINE_BREAKS)
