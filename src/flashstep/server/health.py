"""`GET /health`: the process lives and its engine has not ended. `GET /ready`: the engine computes.

The token of `/ready` bypasses queue, limits and traces, is computed at most once a second however
many probes come, and has a bounded time; so probes cannot load the engine, nor hang. Where all places
are taken it would wait for one; a step of the engine says as much, whomever it is for.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse

from flashstep.errors import EngineDead, FlashstepError, Overloaded
from flashstep.server.http.trace import new_trace_id
from flashstep.server.served_model import ServedModel
from flashstep.types import Finish, SamplingParams

_PROBE_TIMEOUT_S = 10.0
_FRESH_S = 1.0
_LOOK_S = 0.05

_DEAD = "the engine has ended and answers nothing; the log has the cause, restart the server"


class HealthEndpoint:
    """Asks the model whether it can still answer."""

    def __init__(self, model: ServedModel) -> None:
        self._model = model

    async def get(self, request: Request) -> JSONResponse:
        """`{"status": "ok"}`, also while the engine is started again, which nobody need help; raises
        EngineDead."""
        if not self._model.is_healthy() and not self._model.is_restarting:
            raise EngineDead(_DEAD)
        return JSONResponse({"status": "ok", "model": self._model.model_name})


def check_alive(model: ServedModel) -> None:
    """Raise EngineDead when no request can be answered any more, Overloaded when one can be again soon."""
    if not model.is_healthy():
        if model.is_restarting:
            raise Overloaded("not ready: the engine died and is being started again", retry_after_s=2.0)
        raise EngineDead(_DEAD)


@dataclass(frozen=True, slots=True)
class _Verdict:
    checked_s: float
    error: FlashstepError | None


class ReadyEndpoint:
    """Asks the model for one token, and looks whether it computes others meanwhile.

    is_draining: True once the server stops and takes no new requests.
    timeout_s: how long a token or a step may take. A verdict is good for `fresh_s` seconds.
    """

    def __init__(
        self,
        model: ServedModel,
        *,
        is_draining: Callable[[], bool] = lambda: False,
        timeout_s: float = _PROBE_TIMEOUT_S,
        fresh_s: float = _FRESH_S,
    ) -> None:
        self._model = model
        self._is_draining = is_draining
        self._timeout_s = timeout_s
        self._fresh_s = fresh_s
        self._verdict: _Verdict | None = None
        self._checking: asyncio.Task[_Verdict] | None = None

    async def get(self, request: Request) -> JSONResponse:
        """`{"status": "ready"}`; raises EngineDead, or Overloaded while draining or when the engine
        stands still."""
        if self._is_draining():
            raise Overloaded("not ready: the server is stopping and takes no new requests")
        check_alive(self._model)
        verdict = await self._fresh_verdict()
        if verdict.error is not None:
            raise verdict.error
        return JSONResponse({"status": "ready", "model": self._model.model_name})

    async def _fresh_verdict(self) -> _Verdict:
        verdict = self._verdict
        if verdict is not None and time.monotonic() - verdict.checked_s < self._fresh_s:
            return verdict
        if self._checking is None:
            self._checking = asyncio.ensure_future(self._check())
        # Shielded: the check serves every probe that waits, whichever of them leaves.
        return await asyncio.shield(self._checking)

    async def _check(self) -> _Verdict:
        error: FlashstepError | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._see_it_compute()
        except TimeoutError:
            error = Overloaded(
                f"not ready: the engine computed no token within {self._timeout_s:g} seconds, neither "
                "for this probe nor for others, so it is stuck"
            )
        except FlashstepError as caught:
            error = caught
        finally:
            self._checking = None
        self._verdict = _Verdict(time.monotonic(), error)
        return self._verdict

    async def _see_it_compute(self) -> None:
        num_steps = self._model.stats().num_steps
        token = asyncio.ensure_future(self._compute_token())
        try:
            while not token.done() and self._model.stats().num_steps == num_steps:
                await asyncio.wait({token}, timeout=_LOOK_S)
            if token.done():
                token.result()
        finally:
            token.cancel()
            await asyncio.gather(token, return_exceptions=True)  # until it has been aborted

    async def _compute_token(self) -> None:
        trace_id = new_trace_id()
        params = SamplingParams(temperature=0.0, max_tokens=1, ignore_eos=True)
        answer = self._model.complete((0,), params, trace_id=trace_id, request_id=f"ready-{trace_id}")
        async with aclosing(answer) as events:
            async for event in events:
                if isinstance(event, Finish) and event.reason == "error":
                    raise EngineDead(f"not ready: {event.error or 'the engine failed without a cause'}")
