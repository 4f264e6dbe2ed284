"""Finds stop strings in an answer's text; what may become one is held back, the match is not returned.

The match that is complete first counts; of those that end together, the longest. That rule depends on
the text alone, so every cut of a stream stops at the same place.
"""

from collections.abc import Sequence

from flashstep.chat.held_text import num_held


class StopStrings:
    """Follows one text. `matched` is the string that ended it, None before; behind it nothing comes out."""

    def __init__(self, stop: Sequence[str]) -> None:
        self.matched: str | None = None
        self._stop = tuple(stop)
        self._held = ""

    @property
    def is_matched(self) -> bool:
        """True from the match on."""
        return self.matched is not None

    @property
    def is_holding(self) -> bool:
        """True while the end of the text may become a stop string."""
        return bool(self._held)

    def feed(self, text: str) -> str:
        """The text that is certainly in front of any stop string."""
        if self.is_matched:
            return ""
        text = self._held + text
        matches = [
            (position + len(stop), position, stop)
            for stop in self._stop
            if (position := text.find(stop)) >= 0
        ]
        if matches:
            _, position, self.matched = min(matches)
            self._held = ""
            return text[:position]
        keep = len(text) - num_held(text, self._stop)
        self._held = text[keep:]
        return text[:keep]

    def flush(self) -> str:
        """What was held back: the text ends here, or something else (a tool call) follows."""
        text, self._held = self._held, ""
        return text
