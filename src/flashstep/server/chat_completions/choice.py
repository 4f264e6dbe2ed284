"""One of the answers to a question, collected from its events."""

from dataclasses import dataclass, field
from typing import Any

from flashstep.chat.fold import CallText, Fold
from flashstep.server.envelope import UNFINISHED
from flashstep.server.logprobs import token_objects
from flashstep.types import Event, Finish, LogprobsDelta, Message


@dataclass(slots=True)
class Choice:
    """Collects the events of one answer. `scores`: the wire objects of its tokens, by part."""

    scores: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {"text": [], "reasoning": []})
    _fold: Fold = field(default_factory=Fold)

    def add(self, event: Event) -> None:
        """Take in the next event."""
        self._fold.add(event)
        if isinstance(event, LogprobsDelta):
            self.scores[event.part] += token_objects(event.tokens)

    @property
    def message(self) -> Message:
        """The assistant's turn."""
        return self._fold.message

    @property
    def calls(self) -> list[CallText]:
        """Its calls as far as they came."""
        return self._fold.calls

    @property
    def finish(self) -> Finish:
        """How it ended; an error when its events broke off."""
        return self._fold.finish or UNFINISHED
