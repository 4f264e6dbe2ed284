"""What is kept of one call: when each phase began, what was asked, how it ended.

Pure values with a JSON form. All times but `arrived_at` are seconds since the call arrived, read
from a clock that does not jump. A record with `answers` is of a generation; one without is of a call
that was refused before it became one. Unknown members are ignored when reading, missing ones have
defaults, so that records of neighbouring versions can be read.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from flashstep.types import FinishReason, Usage

Outcome = Literal["ok", "failed", "disconnected"]


def plain_trace_id(given: str) -> str:
    """A trace id, or the beginning of one, as records have it: in lower case, a UUID without its dashes."""
    return given.strip().lower().replace("-", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Moments of a generation; None = not reached, or not known because it was broken off.

    received_s: body read and accepted. admitted_s: its computation began, so before it lies the queue.
    reasoning_end_s: the reasoning was over, or the answer was broken off within it. Of several
    answers the first to be admitted and to speak counts, and the last to end.
    """

    received_s: float | None = None
    admitted_s: float | None = None
    first_token_s: float | None = None
    reasoning_end_s: float | None = None
    last_token_s: float | None = None


@dataclass(frozen=True, slots=True)
class Phase:
    """A named interval, in seconds since the call arrived."""

    name: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerEnd:
    """How one answer ended. finish_reason None: it was broken off, so its usage is not known."""

    finish_reason: FinishReason | None = None
    stop_reason: str | None = None
    error: str | None = None
    usage: Usage | None = None
    num_drafted: int = 0
    num_accepted: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong; `stack` is empty for what the caller did wrong."""

    type: str
    message: str
    stack: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRecord:
    """One generation, or one refused call.

    (trace_id, request_id) names it: a caller may use its trace id for several calls. endpoint: the
    wire format's name, the path for a refused call. model: the name asked for. client: the API
    key's name. arrived_at: seconds since 1970. status: of the response; 499 when the client left
    before it began. params: what differs from the defaults of `SamplingParams`, and n, stream, rule.
    content: prompt and output, None where they are not kept; stop strings and schemas are then not kept
    either, and of a wrong request the error tells only place and kind.
    """

    trace_id: str
    request_id: str
    endpoint: str
    arrived_at: float
    total_s: float
    status: int
    outcome: Outcome
    parent_span_id: str | None = None
    model: str | None = None
    loaded_model: str | None = None
    client: str | None = None
    user_agent: str | None = None
    marks: Marks = Marks()
    answers: tuple[AnswerEnd, ...] = ()
    params: dict[str, Any] = field(default_factory=dict)
    tool_names: tuple[str, ...] = ()
    error: Failure | None = None
    content: dict[str, Any] | None = None

    @property
    def is_generation(self) -> bool:
        """False for a call that was refused before it became a generation."""
        return bool(self.answers)

    @property
    def usage(self) -> Usage | None:
        """Tokens of all finished answers together, the prompt counted once; None if none finished."""
        known = [answer.usage for answer in self.answers if answer.usage is not None]
        if not known:
            return None
        return Usage(
            prompt_tokens=known[0].prompt_tokens,
            completion_tokens=sum(usage.completion_tokens for usage in known),
            reasoning_tokens=sum(usage.reasoning_tokens for usage in known),
            cached_tokens=min(usage.cached_tokens for usage in known),
        )

    def phases(self) -> list[Phase]:
        """The call as intervals without gaps, in order; those that were not reached are missing."""
        marks = self.marks
        if marks.received_s is None:
            return [Phase("request", 0.0, self.total_s)]
        phases = [Phase("request", 0.0, marks.received_s)]
        for name, end_s in (
            ("queue", marks.admitted_s),
            ("prefill", marks.first_token_s),
            ("reasoning", marks.reasoning_end_s),
            ("answer", marks.last_token_s),
        ):
            if end_s is not None:
                start_s = phases[-1].end_s
                phases.append(Phase(name, start_s, max(start_s, end_s)))
        start_s = phases[-1].end_s
        # What broke off lasted until the end; otherwise the rest is sending the last bytes.
        name = "sending" if marks.last_token_s is not None else _next_phase(marks)
        return [*phases, Phase(name, start_s, max(start_s, self.total_s))]


def _next_phase(marks: Marks) -> str:
    if marks.first_token_s is not None:
        return "answer"
    return "queue" if marks.admitted_s is None else "prefill"
