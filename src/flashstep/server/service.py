"""The one way from any endpoint to the model: name check, admission, n answers, observers.

Endpoints know wire formats and nothing else; what must hold for every request (a place in the
queue, a trace record, metrics, exactly one end) is here.
"""

import hashlib
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Protocol

from flashstep.errors import BackendError
from flashstep.server.call import Call
from flashstep.server.generation import Generation, Observer, Recorder, failure_of
from flashstep.server.limits.admission import Reservation
from flashstep.server.merge import merged
from flashstep.server.models import ModelCatalogue
from flashstep.server.served_model import ServedModel
from flashstep.types import Event, Finish

logger = logging.getLogger("flashstep.server")

Indexed = tuple[int, Event]


class Admission(Protocol):
    """Decides when a generation may run."""

    def reserve(self, call: Call, generations: Sequence[Generation]) -> Reservation:
        """The tokens of several generations, which are taken together when it is entered."""
        ...

    def enter(
        self, call: Call, generation: Generation, reservation: Reservation | None
    ) -> AbstractAsyncContextManager[Callable[[int, Event], None]]:
        """Wait for a place and hold it; what it gives must be told of every event. `reservation`: what the
        call has taken for it already. Raises RateLimited or Overloaded."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """A generation under way: its identity, and the events that reading produces.

    `created` is in seconds since 1970. `events` are (answer number, event); each number ends with
    exactly one Finish. Closing them, or cancelling who awaits them, aborts the generation.
    """

    request_id: str
    trace_id: str
    created: int
    model: str
    fingerprint: str
    events: AsyncGenerator[Indexed, None]


class GenerationService:
    """Runs generations on one model."""

    def __init__(
        self,
        model: ServedModel,
        catalogue: ModelCatalogue,
        *,
        admission: Admission,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.model = model
        self.catalogue = catalogue
        self._admission = admission
        self._observers = (_LogObserver(), *observers)
        self._fingerprint = _fingerprint(model)

    def reserve(self, generations: Sequence[Generation], call: Call) -> Reservation:
        """What several generations of one call need of its key's allowance. Entering it raises
        RateLimited when that is not there for them all; their answers are read inside."""
        return self._admission.reserve(call, generations)

    def start(self, generation: Generation, call: Call, reservation: Reservation | None = None) -> Answer:
        """Check the model's name and return the answer; nothing runs before its events are read.
        Raises NotFound. Reading raises InvalidRequest, RateLimited (not with a reservation), Overloaded
        or EngineDead before the first event."""
        self.catalogue.check(generation.model)
        request_id = generation.id_prefix + secrets.token_hex(12)
        return Answer(
            request_id=request_id,
            trace_id=call.trace_id,
            created=int(time.time()),
            model=generation.model,
            fingerprint=self._fingerprint,
            events=self._run(generation, call, request_id, reservation),
        )

    async def _run(
        self, generation: Generation, call: Call, request_id: str, reservation: Reservation | None
    ) -> AsyncGenerator[Indexed, None]:
        recorders = [o.begin(call, generation, request_id) for o in self._observers]
        error: BaseException | None = None
        failure: BackendError | None = None
        try:
            async with self._admission.enter(call, generation, reservation) as count:
                streams = [self._stream(generation, call, request_id, i) for i in range(generation.n)]
                async with aclosing(merged(streams)) as events:
                    async for index, event in events:
                        count(index, event)
                        for recorder in recorders:
                            recorder.event(index, event)
                        if isinstance(event, Finish):
                            failure = failure or failure_of(event)
                        yield index, event
        except BaseException as caught:
            error = caught
            raise
        finally:
            # Whoever reads a failed answer stops there, which by itself looks as if the client had left.
            if failure is not None and not isinstance(error, Exception):
                error = failure
            for recorder in recorders:
                recorder.end(error)

    def _stream(
        self, generation: Generation, call: Call, request_id: str, index: int
    ) -> AsyncGenerator[Event, None]:
        params = generation.params
        if index:
            request_id = f"{request_id}-{index}"
            if params.seed is not None:  # n equal answers would be of no use
                params = replace(params, seed=params.seed + index)
        if generation.prompt is not None:
            return self.model.complete(
                generation.prompt, params, trace_id=call.trace_id, request_id=request_id
            )
        return self.model.chat(
            generation.messages, generation.tools, params,
            rule=generation.rule, trace_id=call.trace_id, request_id=request_id,
        )  # fmt: skip


class _LogObserver:
    """One log line per finished answer."""

    def begin(self, call: Call, generation: Generation, request_id: str) -> Recorder:
        return _LogRecorder(request_id, generation.model)


@dataclass(frozen=True, slots=True)
class _LogRecorder:
    request_id: str
    model: str

    def event(self, index: int, event: Event) -> None:
        if not isinstance(event, Finish):
            return
        first_token_s = event.timings.first_token_s
        logger.info(
            "%s[%d] %s: %s, %d prompt tokens (%d cached), %d completion tokens (%d reasoning), "
            "first token after %s",
            self.request_id,
            index,
            self.model,
            event.reason,
            event.usage.prompt_tokens,
            event.usage.cached_tokens,
            event.usage.completion_tokens,
            event.usage.reasoning_tokens,
            "-" if first_token_s is None else f"{first_token_s * 1000:.1f} ms",
        )

    def end(self, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, Exception):
            logger.info("%s: ended early", self.request_id)


def _fingerprint(model: ServedModel) -> str:
    identity = f"{version('flashstep')} {model.model_name} {model.fingerprint}"
    return f"fp_{hashlib.sha256(identity.encode()).hexdigest()[:10]}"
