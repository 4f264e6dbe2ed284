"""Incremental parser of tool calls in an answer's text.

    <tool_call>\\n<function=NAME>\\n(<parameter=KEY>\\nVALUE\\n</parameter>\\n)*</function>\\n</tool_call>

Tolerated: a missing wrapper (for declared functions), missing end tags, blanks or quotes around names,
several functions in one wrapper. What is no call after all comes out as plain text; nothing is lost but
markup, empty wrappers and blanks between calls. Every decision depends on the text alone, so every cut
of a stream gives the same calls. A call is announced when it is complete or longer than HOLD_LIMIT; one
that breaks off behind that stays half a call, and no text that went out in it comes out again.
"""

import logging
import re
from collections.abc import Callable, Sequence

from flashstep.chat.held_text import find_first, may_become, num_held
from flashstep.chat.markers import CALL_END, CALL_START
from flashstep.chat.open_call import OpenCall
from flashstep.types import TextDelta, Tool, ToolCallDelta

logger = logging.getLogger("flashstep.chat")

FUNCTION, FUNCTION_END = "<function", "</function>"
PARAMETER, PARAMETER_END = "<parameter", "</parameter>"
# Characters of a call after which its arguments no longer wait for a repeated parameter.
HOLD_LIMIT = 1024
_TAG_LIMIT = 256  # characters of one opening tag
_BLANK_LIMIT = 64  # blanks between <tool_call> and <function

_TEXT_MARKERS = (CALL_START, FUNCTION + "=")
_BODY_TAGS = (PARAMETER, FUNCTION_END, CALL_END, FUNCTION, CALL_START)
_VALUE_ENDS = (PARAMETER_END, PARAMETER + "=", FUNCTION_END)
_NAME = re.compile(r"(?P<sign>\s*=\s*|\s+)(?P<quote>[\"']?)(?P<name>[^\s\"'<>=]+)(?P=quote)\s*")
_KEY = re.compile(r"(?:\s*=\s*|\s+)(?P<quote>[\"']?)(?P<name>[^\"'<>\n]*[^\"'<>\s])(?P=quote)[^\S\n]*")
# The end of a value's text that may still turn out to be markup.
_VALUE_TAIL = re.compile(r"\n?(?:</tool_call>\s*)?(?:<[/a-z_]{0,11})?\Z")
_CUT_WRAPPER_END = re.compile(r"</tool_call>\s*\Z")


class ToolParser:
    """Reads one answer. `new_id` makes the ids of calls; `num_calls` counts the complete ones.
    max_calls: nothing comes out behind so many; None = any number."""

    def __init__(
        self, tools: Sequence[Tool], new_id: Callable[[], str], max_calls: int | None = None
    ) -> None:
        self.num_calls = 0
        self._max_calls = max_calls
        self._schemas = {tool.name: tool.parameters for tool in tools}
        self._new_id = new_id
        self._state: Callable[[], bool] = self._in_text  # True = made progress, call again
        self._buffer = ""
        self._raw: list[str] = []  # text of the call being read, for the case that it is none
        self._raw_length = 0
        self._has_wrapper = False
        self._call: OpenCall | None = None
        self._index = 0
        self._is_announced = False
        self._events: list[TextDelta | ToolCallDelta] = []

    def feed(self, text: str) -> list[TextDelta | ToolCallDelta]:
        """Read on; the events that are now certain."""
        self._buffer += text
        while self._state():
            pass
        self._release_if_long()
        self._send_ready()
        return self._take()

    def finish(self, *, is_complete: bool) -> list[TextDelta | ToolCallDelta]:
        """The text has ended. `is_complete`: the model ended it itself, so that missing end tags are
        forgiven; otherwise an unfinished call comes out as text, or half when it is long."""
        call = self._call
        if call is not None and is_complete and self._state == self._in_value:
            self._end_value(len(_CUT_WRAPPER_END.sub("", self._buffer)))
            self._close()
        elif call is not None and is_complete and self._state == self._in_body and not self._buffer.strip():
            self._close()
        elif self._state == self._after_function and CALL_END.startswith(self._buffer.strip()):
            pass  # a cut end tag of a complete call
        elif self._raw or (self._buffer and not (self._state == self._in_gap and self._buffer.isspace())):
            self._break_off()
        self._buffer = ""
        return self._take()

    def _in_text(self) -> bool:
        """Prose; looks for the start of a call."""
        found = find_first(self._buffer, _TEXT_MARKERS)
        position = found[0] if found else len(self._buffer) - num_held(self._buffer, _TEXT_MARKERS)
        if position:
            self._events.append(TextDelta(self._buffer[:position]))
            self._buffer = self._buffer[position:]
        if not found:
            return False
        self._has_wrapper = found[1] == CALL_START
        self._consume(len(CALL_START) if self._has_wrapper else len(FUNCTION))
        self._state = self._in_wrapper if self._has_wrapper else self._in_function_tag
        return True

    def _in_wrapper(self) -> bool:
        """Behind <tool_call>, before <function."""
        rest = self._buffer.lstrip()
        if len(self._buffer) - len(rest) > _BLANK_LIMIT:
            self._abandon()
        elif rest.startswith(FUNCTION):
            self._consume_through(FUNCTION)
            self._state = self._in_function_tag
        elif rest.startswith(CALL_END):
            self._consume_through(CALL_END)
            self._forget_raw()
            self._state = self._in_gap
        elif may_become(rest, (FUNCTION, CALL_END)):
            return False
        else:
            self._abandon()
        return True

    def _in_function_tag(self) -> bool:
        """Behind <function, up to its >."""
        tag = self._take_tag()
        if tag is None:
            return False
        match = _NAME.fullmatch(tag)
        if match is None or not self._may_call(match["name"], has_sign="=" in match["sign"]):
            self._abandon()
            return True
        self._call = OpenCall(match["name"], self._schemas.get(match["name"], {}))
        self._is_announced = False
        self._state = self._in_body
        return True

    def _in_body(self) -> bool:
        """Between parameters."""
        rest = self._buffer.lstrip()
        found = next((t for t in _BODY_TAGS if rest.startswith(t)), None)
        if found is None:
            if may_become(rest, _BODY_TAGS):
                return False
            self._abandon()
        elif found == PARAMETER:
            self._consume_through(PARAMETER)
            self._state = self._in_parameter_tag
        else:
            # Anything but </function> is the next thing after a function that was not closed.
            if found == FUNCTION_END:
                self._consume_through(FUNCTION_END)
            self._close()
        return True

    def _in_parameter_tag(self) -> bool:
        """Behind <parameter, up to its >."""
        tag = self._take_tag()
        if tag is None:
            return False
        match = _KEY.fullmatch(tag)
        if match is None:
            self._abandon()
            return True
        self._open_call.open(match["name"])
        self._state = self._in_value
        return True

    def _in_value(self) -> bool:
        """Inside a parameter's value."""
        found = find_first(self._buffer, _VALUE_ENDS)
        if found is None:
            tail = _VALUE_TAIL.search(self._buffer)
            assert tail is not None, "the pattern matches the empty end of every text"
            self._open_call.extend(self._consume(tail.start()))
            return False
        self._end_value(found[0])
        if found[1] == PARAMETER_END:
            self._consume(len(PARAMETER_END))
        self._state = self._in_body
        return True

    def _after_function(self) -> bool:
        """Behind a closed function: the wrapper's end, another function, or neither."""
        rest = self._buffer.lstrip()
        if rest.startswith(CALL_END):
            self._consume_through(CALL_END)
            self._forget_raw()
            self._state = self._in_gap
        elif rest.startswith(FUNCTION) and self._has_wrapper:
            self._consume_through(FUNCTION)
            self._state = self._in_function_tag
        elif may_become(rest, (CALL_END, FUNCTION)):
            return False
        else:
            self._state = self._in_gap
        return True

    def _in_gap(self) -> bool:
        """Behind a call: blanks count as text only when text follows."""
        rest = self._buffer.lstrip()
        if may_become(rest, _TEXT_MARKERS):
            return False
        if rest.startswith(_TEXT_MARKERS):
            self._consume(len(self._buffer) - len(rest))
        self._state = self._in_text
        return True

    def _at_limit(self) -> bool:
        """Behind the last call that was wanted."""
        self._buffer = ""
        return False

    @property
    def _open_call(self) -> OpenCall:
        assert self._call is not None, "a parameter outside a call"
        return self._call

    def _may_call(self, name: str, *, has_sign: bool) -> bool:
        """A complete form may name any function, a tolerated one only a declared function."""
        if name in self._schemas:
            return True
        if not (self._has_wrapper and has_sign):
            return False
        logger.warning("the model called a function that is not among the tools; its arguments stay text")
        return True

    def _take_tag(self) -> str | None:
        """What stands before the next `>`; None = wait. A tag that is none gives "", matching nothing."""
        end = self._buffer.find(">")
        inside = self._buffer if end < 0 else self._buffer[:end]
        if "<" in inside or "\n" in inside or len(inside) > _TAG_LIMIT:
            return ""
        if end < 0:
            return None
        self._consume(end + 1)
        return inside

    def _end_value(self, position: int) -> None:
        rest = self._consume(position)
        self._release_if_long()  # before the value joins the others, wherever the text was cut
        self._open_call.shut(rest)

    def _release_if_long(self) -> None:
        call = self._call
        if call is not None and not call.is_streaming and self._raw_length > HOLD_LIMIT:
            call.release()

    def _send_ready(self) -> None:
        if self._is_half:
            self._send(self._open_call)

    def _send(self, call: OpenCall) -> None:
        if not self._is_announced:
            self._events.append(ToolCallDelta(self._index, id=self._new_id(), name=call.name))
            self._is_announced = True
        arguments = call.take()
        if arguments:
            self._events.append(ToolCallDelta(self._index, arguments=arguments))

    def _close(self) -> None:
        """The function is complete: everything about it goes out."""
        call = self._open_call
        call.close()
        self._send(call)
        self.num_calls += 1
        self._index += 1
        self._call = None
        self._forget_raw()
        self._state = self._at_limit if self.num_calls == self._max_calls else self._after_function

    def _break_off(self) -> None:
        """The text ends inside a call, or what may have become one."""
        rest = self._consume(len(self._buffer))
        if self._state == self._in_value:
            self._open_call.extend(rest)
        self._release_if_long()
        # All that half a call has not sent then is an unfinished tag.
        self._leave_call("" if self._is_half else "".join(self._raw))

    def _abandon(self) -> None:
        """It was no call: its text so far is plain text, but for what has gone out as arguments."""
        self._release_if_long()
        text = "".join(self._raw)
        if self._is_half:
            text = text[text.rindex(PARAMETER) :] if self._state == self._in_parameter_tag else ""
        self._leave_call(text)

    def _leave_call(self, text: str) -> None:
        """Go on behind what is read as a call no further; `text` of it is plain text."""
        if self._is_half:
            self._open_call.break_off()
            self._send(self._open_call)
            self._index += 1
        self._call = None
        self._events.append(TextDelta(text))
        self._forget_raw()
        self._state = self._in_text

    @property
    def _is_half(self) -> bool:
        """Pieces of the call being read go out before it is complete."""
        return self._call is not None and self._call.is_streaming

    def _consume(self, length: int) -> str:
        text, self._buffer = self._buffer[:length], self._buffer[length:]
        self._raw.append(text)
        self._raw_length += length
        return text

    def _consume_through(self, tag: str) -> None:
        self._consume(self._buffer.index(tag) + len(tag))

    def _forget_raw(self) -> None:
        self._raw.clear()
        self._raw_length = 0

    def _take(self) -> list[TextDelta | ToolCallDelta]:
        events, self._events = self._events, []
        return [event for event in events if not isinstance(event, TextDelta) or event.text]
