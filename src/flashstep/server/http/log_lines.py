"""How a log record becomes a line: for people, or a JSON object for whatever collects logs.

Both begin with the time in UTC and have the trace id of the call that they belong to ("-" outside of
any). The stack of an exception follows the line, indented, or is the member "stack".

What a client sent can be in any message, so no message may look like several lines, or steer a terminal.
"""

import json
import logging
import time
from typing import Literal

from flashstep.server.traces.redaction import Redaction

LogFormat = Literal["text", "json"]


class TextLines(logging.Formatter):
    """`time LEVEL [trace id] logger: message`."""

    converter = staticmethod(time.gmtime)
    default_msec_format = "%s.%03dZ"

    def __init__(self, redaction: Redaction) -> None:
        super().__init__("%(asctime)s %(levelname)s [%(trace_id)s] %(name)s: %(message)s")
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        """The line, without what must not be kept. Only lines of a stack follow it, each indented, so that
        whatever the exception says cannot pass for a record."""
        record.message = record.getMessage()
        record.asctime = self.formatTime(record)
        lines = [_shown(self._redaction.text(self.formatMessage(record)))]
        if record.exc_info:
            stack = self._redaction.text(self.formatException(record.exc_info))
            lines += [f"  {_shown(line)}" for line in stack.split("\n")]
        return "\n".join(lines)


class JsonLines(logging.Formatter):
    """One object a line: time, level, trace_id, logger, message, and stack after an exception."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self, redaction: Redaction) -> None:
        super().__init__()
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        """The object as ASCII, so that no character in it can end the line."""
        values = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "trace_id": getattr(record, "trace_id", "-"),
            "logger": record.name,
            "message": self._redaction.text(record.getMessage()),
        }
        if record.exc_info:
            values["stack"] = self._redaction.text(self.formatException(record.exc_info))
        return json.dumps(values)


def _shown(text: str) -> str:
    """`text` with everything that is not shown but obeyed (line breaks, terminal codes, directions of
    writing) escaped as in Python."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
