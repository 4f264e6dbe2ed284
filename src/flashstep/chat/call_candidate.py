"""Judges a `<tool_call>` that begins inside the reasoning: is it a call, or merely mentioned?

It is a call when one or more complete blocks of declared functions follow each other to the end of the
turn, with nothing but blanks (and a late `</think>`) behind them. Everything else is reasoning.
"""

import re
from collections.abc import Collection

from flashstep.chat.held_text import may_become
from flashstep.chat.markers import CALL_END, CALL_START, THINK_END

# Characters of reasoning that may wait for a judgement.
CANDIDATE_LIMIT = 1 << 16
_HEAD_LIMIT = 400
_HEAD = re.compile(r"<tool_call>\s*<function=([^\s<>=\"']+)>")
_HEAD_PARTS = re.compile(r"<tool_call>\s*(.*)", re.DOTALL)
_BLOCK = re.compile(
    r"<tool_call>\s*<function=[^\s<>=\"']+>\s*"
    r"(?:<parameter=[^<>\n]+>(?:(?!</?(?:parameter|function|tool_call)\b).)*</parameter>\s*)*"
    r"</function>\s*</tool_call>",
    re.DOTALL,
)


class CallCandidate:
    """Follows a growing text that begins with <tool_call>; judges each position once."""

    def __init__(self, function_names: Collection[str]) -> None:
        self._names = function_names
        self._block = 0  # where the block being read begins
        self._tail = -1  # where the last complete block ended; -1 while inside a block
        self._has_head = False
        self._scanned = 0

    def may_be_call(self, text: str) -> bool:
        """False as soon as `text` cannot be calls that end the turn. `text` only grows between calls."""
        if len(text) > CANDIDATE_LIMIT:
            return False
        while True:
            if self._tail < 0:
                verdict = self._read_block(text)
                if verdict is not None:
                    return verdict
            rest = text[self._tail :].lstrip()
            if not rest.startswith(CALL_START):
                return may_become(rest, (CALL_START, THINK_END)) or _is_late_end(rest)
            self._block = self._scanned = len(text) - len(rest)
            self._tail = -1
            self._has_head = False

    def is_call(self, text: str) -> bool:
        """The turn has ended with `text`: is it complete?"""
        if not self.may_be_call(text) or self._tail < 0:
            return False
        rest = text[self._tail :].strip()
        return rest in ("", THINK_END)

    def _read_block(self, text: str) -> bool | None:
        """Read the block on: None = it is complete, True = it may become so, False = it cannot."""
        if not self._has_head:
            if not self._read_head(text):
                return False
            if not self._has_head:
                return True
        end = text.find(CALL_END, self._scanned)
        limit = len(text) if end < 0 else end
        if text.find(THINK_END, self._scanned, limit) >= 0:
            return False
        if end < 0:
            self._scanned = max(self._block, len(text) - len(CALL_END))
            return True
        self._tail = end + len(CALL_END)
        return None if _BLOCK.fullmatch(text, self._block, self._tail) else False

    def _read_head(self, text: str) -> bool:
        """Look for the function's name; False = this is no call of a declared function."""
        head = text[self._block : self._block + _HEAD_LIMIT]
        match = _HEAD.match(head)
        if match is not None:
            self._has_head = match[1] in self._names
            return self._has_head
        parts = _HEAD_PARTS.match(head)
        if parts is None or len(head) == _HEAD_LIMIT:
            return False
        function = "<function="
        return function.startswith(parts[1]) or (
            parts[1].startswith(function) and not re.search(r"[\s<>\"']", parts[1][len(function) :])
        )


def _is_late_end(rest: str) -> bool:
    return rest.startswith(THINK_END) and not rest[len(THINK_END) :].strip()
