"""Finds stop strings in an answer's text; what may become one is held back, the match is not returned.

The match that is complete first counts; of those that end together, the longest. That rule depends on
the text alone, so every cut of a stream stops at the same place.
"""

from collections.abc import Sequence

from flashstep.chat.held_text import num_held


class StopStrings:
    """Follows one text. `is_matched` stays True after a match; from then on nothing comes out."""

    def __init__(self, stop: Sequence[str]) -> None:
        self.is_matched = False
        self._stop = tuple(stop)
        self._held = ""

    def feed(self, text: str) -> str:
        """The text that is certainly in front of any stop string."""
        if self.is_matched:
            return ""
        text = self._held + text
        matches = [
            (position + len(stop), position) for stop in self._stop if (position := text.find(stop)) >= 0
        ]
        if matches:
            self.is_matched = True
            self._held = ""
            return text[: min(matches)[1]]
        keep = len(text) - num_held(text, self._stop)
        self._held = text[keep:]
        return text[:keep]

    def flush(self) -> str:
        """What was held back: the text ends here, or something else (a tool call) follows."""
        text, self._held = self._held, ""
        return text
