"""Takes out of a record, or out of what is said of a request, what must not be kept.

Each pattern is tried on every string that a caller, a model or an error could have put there; what
names the record (ids, endpoint, times) stays. A match never spans two strings, so a secret that is
split over two messages is not found.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flashstep.errors import ContextLengthExceeded, FlashstepError, InvalidRequest, NotFound
from flashstep.server.traces.record import AnswerEnd, Failure, TraceRecord

REDACTED = "[redacted]"
# Fields whose members the caller names, so that the path to such a member quotes the caller.
_NAMED_BY_CALLERS = ("logit_bias", "metadata")


class Redaction:
    """Replaces what any of the patterns matches. `patterns` must compile."""

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self._patterns = tuple(re.compile(pattern) for pattern in patterns)

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def text(self, text: str) -> str:
        """`text` without what matches."""
        for pattern in self._patterns:
            text = pattern.sub(REDACTED, text)
        return text

    def value(self, value: Any) -> Any:
        """A JSON value with every string in it redacted, names of members too."""
        match value:
            case str():
                return self.text(value)
            case dict():
                return {self.text(str(key)): self.value(item) for key, item in value.items()}
            case list() | tuple():
                return [self.value(item) for item in value]
        return value

    def record(self, record: TraceRecord) -> TraceRecord:
        """The record as it may be stored and exported."""
        if not self._patterns:
            return record
        return replace(
            record,
            endpoint=record.endpoint if record.is_generation else self.text(record.endpoint),
            model=self._optional(record.model),
            user_agent=self._optional(record.user_agent),
            params=self.value(record.params),
            tool_names=tuple(self.text(name) for name in record.tool_names),
            answers=tuple(self._answer(answer) for answer in record.answers),
            error=None if record.error is None else self._failure(record.error),
            content=self.value(record.content),
        )

    def _answer(self, answer: AnswerEnd) -> AnswerEnd:
        return replace(
            answer, stop_reason=self._optional(answer.stop_reason), error=self._optional(answer.error)
        )

    def _failure(self, failure: Failure) -> Failure:
        return Failure(failure.type, self.text(failure.message), self.text(failure.stack))

    def _optional(self, text: str | None) -> str | None:
        return None if text is None else self.text(text)


def unquoted(error: FlashstepError) -> str:
    """What `error` says. Of a wrong request only the place and the kind, for the message quotes what is
    there; one that is too long is told in numbers anyway."""
    if isinstance(error, ContextLengthExceeded) or not isinstance(error, InvalidRequest | NotFound):
        return error.message
    place = "model" if isinstance(error, NotFound) else error.param or "the request"
    field = place.partition(".")[0]
    place = field if field in _NAMED_BY_CALLERS else place
    kind = f" ({error.code})" if error.code else ""
    return f"{place}: refused{kind}; the message quotes the request and is not kept"
