"""Watches generations and calls, and drafts one record of each.

In the event loop only what is seen is kept: references and clock readings. The record itself (JSON
values, stacks as text) is made from the draft by the writer's thread. A generation's record is handed
over when both it and its HTTP call are over, because only then the status and the error are known
that the caller saw.
"""

import secrets
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Protocol

from flashstep.chat.fold import Fold
from flashstep.errors import FlashstepError, Overloaded, RateLimited
from flashstep.server.call import Call
from flashstep.server.generation import Generation
from flashstep.server.http.trace import CLIENT_CLOSED
from flashstep.server.limits.drain import Stopped
from flashstep.server.traces.content import content_object
from flashstep.server.traces.record import AnswerEnd, Failure, Marks, Outcome, TraceRecord
from flashstep.server.traces.redaction import unquoted
from flashstep.types import (
    FREE,
    AnswerRule,
    Event,
    Finish,
    LogprobsDelta,
    ReasoningDelta,
    SamplingParams,
)

_MAX_STACK_CHARS = 20_000
_DEFAULTS = SamplingParams()
_QUOTES = ("stop", "json_schema")  # wishes that are text of the caller's


class Draft(Protocol):
    """What a record can be made from, later and in another thread."""

    @property
    def num_chars(self) -> int:
        """About how much memory it holds."""
        ...

    def record(self) -> TraceRecord:
        """Make the record."""
        ...


class TraceObserver:
    """Drafts a record for every generation, and for every asking call that did not become one.

    put: takes a finished draft and returns at once. keep_content: prompts and outputs are in the records.
    keep_quotes: what quotes them is, too: stop strings, schemas, messages about wrong requests.
    """

    def __init__(
        self,
        put: Callable[[Draft], None],
        *,
        loaded_model: str,
        keep_content: bool = True,
        keep_quotes: bool = True,
        with_token_ids: bool = True,
    ) -> None:
        self._put = put
        self._loaded_model = loaded_model
        self._keep_content = keep_content
        self._keep_quotes = keep_quotes
        self._with_token_ids = with_token_ids

    def begin(self, call: Call, generation: Generation, request_id: str) -> "GenerationRecorder":
        """A generation was accepted."""
        recorder = GenerationRecorder(
            self._put,
            call,
            generation,
            request_id,
            loaded_model=self._loaded_model,
            keep_content=self._keep_content,
            keep_quotes=self._keep_quotes,
            with_token_ids=self._with_token_ids,
        )
        call.on_end.append(recorder.call_ended)
        return recorder

    def call_ended(self, call: Call) -> None:
        """A call is over. Those that asked for something and failed without a generation are kept;
        of probes and browsing (GET) the log is record enough."""
        has_failed = (call.status or 0) >= 400 or call.error is not None
        if call.method == "POST" and not call.is_generation and has_failed:
            total_s = time.monotonic() - call.arrived_s
            self._put(RefusedCall(call, self._loaded_model, total_s, self._keep_quotes))


@dataclass(slots=True)
class RefusedCall:
    """The draft of a call that failed before it became a generation."""

    call: Call
    loaded_model: str
    total_s: float
    keep_quotes: bool
    num_chars: int = 0

    def record(self) -> TraceRecord:
        """Make the record."""
        call = self.call
        status = call.status or CLIENT_CLOSED
        return TraceRecord(
            trace_id=call.trace_id,
            request_id=f"call-{secrets.token_hex(12)}",
            parent_span_id=call.parent_span_id,
            endpoint=call.path,
            loaded_model=self.loaded_model,
            client=call.client_name,
            user_agent=call.user_agent,
            arrived_at=call.arrived_at,
            total_s=self.total_s,
            status=status,
            outcome="disconnected" if status == CLIENT_CLOSED else "failed",
            error=None if call.error is None else _failure(call.error, self.keep_quotes),
        )


@dataclass(slots=True)
class _Seen:
    """One answer as it passed by; times in seconds since the call arrived."""

    whole: Fold | None
    first_s: float | None = None
    last_reasoning_s: float | None = None
    reasoning_end_s: float | None = None
    finish: Finish | None = None
    finish_s: float = 0.0

    def add(self, event: Event, now_s: float) -> None:
        if self.whole is not None:
            self.whole.add(event)
        if isinstance(event, Finish):
            self.finish, self.finish_s = event, now_s
        elif not isinstance(event, LogprobsDelta):  # prompt scores come before the first token
            if self.first_s is None:
                self.first_s = now_s
            if isinstance(event, ReasoningDelta):
                self.last_reasoning_s = now_s
            elif self.reasoning_end_s is None and self.last_reasoning_s is not None:
                self.reasoning_end_s = now_s

    def marks(self, received_s: float) -> Marks:
        """The backend's own times where it told them, else those of the events."""
        reasoning_end_s = self.reasoning_end_s or self.last_reasoning_s
        if self.finish is None:
            return Marks(first_token_s=self.first_s, reasoning_end_s=reasoning_end_s)
        timings = self.finish.timings
        if timings.finished_s is None:
            return Marks(
                first_token_s=self.first_s, reasoning_end_s=reasoning_end_s, last_token_s=self.finish_s
            )
        # The backend counts from the moment that it got the request: behind the server's own queue.
        asked_s = max(received_s, self.finish_s - timings.finished_s)
        return Marks(
            admitted_s=_later(asked_s, timings.admitted_s),
            first_token_s=_later(asked_s, timings.first_token_s) or self.first_s,
            reasoning_end_s=_later(asked_s, timings.reasoning_end_s) or reasoning_end_s,
            last_token_s=_later(asked_s, timings.finished_s),
        )

    def end(self, keep_quotes: bool) -> AnswerEnd:
        if self.finish is None:
            return AnswerEnd()
        stop_reason = self.finish.stop_reason
        return AnswerEnd(
            finish_reason=self.finish.reason,
            stop_reason=stop_reason if keep_quotes or stop_reason == "repetition" else None,
            error=self.finish.error,
            usage=self.finish.usage,
            num_drafted=self.finish.timings.num_drafted,
            num_accepted=self.finish.timings.num_accepted,
        )


class GenerationRecorder:
    """Watches one generation; afterwards it is the draft of its record."""

    def __init__(
        self,
        put: Callable[[Draft], None],
        call: Call,
        generation: Generation,
        request_id: str,
        *,
        loaded_model: str,
        keep_content: bool,
        keep_quotes: bool,
        with_token_ids: bool,
    ) -> None:
        self._put = put
        self._call = call
        self._generation = generation
        self._request_id = request_id
        self._loaded_model = loaded_model
        self._keep_content = keep_content
        self._keep_quotes = keep_quotes
        self._with_token_ids = with_token_ids
        self._seen = [_Seen(Fold() if keep_content else None) for _ in range(generation.n)]
        self._error: BaseException | None = None
        self._is_over = False
        self._num_chars = 0
        self._received_s = self._now_s()
        self._total_s = self._received_s

    def event(self, index: int, event: Event) -> None:
        """Answer number `index` went on."""
        self._seen[index].add(event, self._now_s())

    def end(self, error: BaseException | None) -> None:
        """The generation is over; the draft is handed over as soon as the call is over too."""
        self._error, self._is_over = error, True
        if self._call.status is not None:
            self._hand_over()

    def call_ended(self) -> None:
        """The call is over; the draft is handed over as soon as the generation is over too."""
        if self._is_over:
            self._hand_over()
        else:
            self._call.is_generation = True

    @property
    def num_chars(self) -> int:
        """About how much memory the draft holds; token ids and answers are as long as the context at most."""
        return self._num_chars

    def record(self) -> TraceRecord:
        """Make the record."""
        call, generation = self._call, self._generation
        failure = self._failure()
        return TraceRecord(
            trace_id=call.trace_id,
            request_id=self._request_id,
            parent_span_id=call.parent_span_id,
            endpoint=generation.endpoint,
            model=generation.model,
            loaded_model=self._loaded_model,
            client=call.client_name,
            user_agent=call.user_agent,
            arrived_at=call.arrived_at,
            total_s=self._total_s,
            status=call.status or CLIENT_CLOSED,
            outcome=self._outcome(failure),
            marks=_joined([seen.marks(self._received_s) for seen in self._seen], self._received_s),
            answers=tuple(seen.end(self._keep_quotes) for seen in self._seen),
            params=_params(generation, self._keep_quotes),
            tool_names=tuple(tool.name for tool in generation.tools),
            error=failure,
            content=self._content(),
        )

    def _hand_over(self) -> None:
        if self._was_refused():
            return
        self._call.is_generation = True
        self._total_s = self._now_s()
        self._num_chars = sum(map(len, self._generation.prompt_texts())) if self._keep_content else 0
        self._put(self)

    def _was_refused(self) -> bool:
        """It never began, since there was no room for it or for another prompt of its call. Such calls leave
        the small record of those that are no generation: whoever calls on and on shall not fill the store
        with prompts."""
        error = self._call.error or self._error
        has_begun = any(seen.first_s is not None or seen.finish is not None for seen in self._seen)
        is_refusal = isinstance(error, Overloaded | RateLimited) and not isinstance(error, Stopped)
        return is_refusal and not has_begun

    def _now_s(self) -> float:
        return time.monotonic() - self._call.arrived_s

    def _failure(self) -> Failure | None:
        error = self._call.error or self._error
        return _failure(error, self._keep_quotes) if isinstance(error, Exception) else None

    def _outcome(self, failure: Failure | None) -> Outcome:
        if failure is not None:
            return "failed"
        is_cut = any(seen.finish is None for seen in self._seen)
        return "disconnected" if is_cut or self._call.status == CLIENT_CLOSED else "ok"

    def _content(self) -> dict[str, Any] | None:
        if not self._keep_content:
            return None
        outputs = [seen.whole for seen in self._seen if seen.whole is not None]
        return content_object(self._generation, outputs, with_token_ids=self._with_token_ids)


def _joined(marks: list[Marks], received_s: float) -> Marks:
    """The marks of several answers as those of one generation."""
    ends = [m.last_token_s for m in marks]
    known_ends = _known(ends)
    return Marks(
        received_s=received_s,
        admitted_s=min(_known([m.admitted_s for m in marks]), default=None),
        first_token_s=min(_known([m.first_token_s for m in marks]), default=None),
        reasoning_end_s=max(_known([m.reasoning_end_s for m in marks]), default=None),
        last_token_s=max(known_ends) if len(known_ends) == len(ends) else None,
    )


def _known(moments_s: list[float | None]) -> list[float]:
    return [moment_s for moment_s in moments_s if moment_s is not None]


def _later(start_s: float, after_s: float | None) -> float | None:
    return None if after_s is None else start_s + after_s


def _params(generation: Generation, keep_quotes: bool) -> dict[str, Any]:
    """What the caller wished, without what is as by default."""
    params = _changed(generation.params, _DEFAULTS, keep_quotes)
    if generation.n != 1:
        params["n"] = generation.n
    if generation.stream:
        params["stream"] = True
    if rule := _changed(generation.rule, FREE, keep_quotes):
        params["rule"] = rule
    return params


def _changed(
    wishes: SamplingParams | AnswerRule, defaults: SamplingParams | AnswerRule, keep_quotes: bool
) -> dict[str, Any]:
    """The members that are not as by default."""
    return {
        f.name: getattr(wishes, f.name)
        for f in fields(wishes)
        if getattr(wishes, f.name) != getattr(defaults, f.name) and (keep_quotes or f.name not in _QUOTES)
    }


def _failure(error: Exception, keep_quotes: bool) -> Failure:
    if isinstance(error, FlashstepError) and error.status < 500:
        # The caller's mistake; our stack says nothing about it.
        return Failure(error.type, error.message if keep_quotes else unquoted(error))
    kind = error.type if isinstance(error, FlashstepError) else type(error).__name__
    stack = "".join(traceback.format_exception(error))
    return Failure(kind, str(error), stack[-_MAX_STACK_CHARS:])
