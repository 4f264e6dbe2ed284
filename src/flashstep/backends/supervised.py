"""Keeps a backend alive: when it has died, a new one is started in its place.

The death is noticed by whoever asks next, a request or a health probe; nothing polls. Requests that
were open at the death have got their error from the backend itself; until the new one stands,
requests are refused as Overloaded, which clients retry. A backend that dies again and again is
given up, so that whoever watches the process can see it.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from flashstep.backends.base import Backend, EngineStats, TokenStream
from flashstep.errors import EngineDead, FlashstepError, Overloaded
from flashstep.types import Request

logger = logging.getLogger(__name__)


class SupervisedBackend:
    """A backend made by `start`, which is called again after each death.

    max_restarts within the last `window_s` seconds; one more death is final. Name, context length
    and fingerprint are those of the first backend. Raises what the first `start` raises.
    """

    def __init__(
        self, start: Callable[[], Backend], *, max_restarts: int = 5, window_s: float = 600.0
    ) -> None:
        self._start = start
        self._max_restarts = max_restarts
        self._window_s = window_s
        self._inner = start()
        self._lock = threading.Lock()
        self._restarter: threading.Thread | None = None
        self._restarts_s: deque[float] = deque()  # monotonic readings, oldest first
        self._is_closing = False
        self._verdict: str | None = None  # why it was given up
        self.num_restarts = 0
        self.model_name = self._inner.model_name
        self.context_length = self._inner.context_length
        self.fingerprint = self._inner.fingerprint
        self.max_concurrency = self._inner.max_concurrency

    def generate(self, request: Request) -> TokenStream:
        """Start a request. Raises Overloaded during a restart, EngineDead when it was given up."""
        if self.is_healthy():
            return self._inner.generate(request)
        if self._verdict or self._is_closing:
            raise EngineDead(f"the engine has stopped ({self._verdict or 'closed'}); restart the server")
        raise Overloaded("the engine died and is being started again; try again shortly", retry_after_s=2.0)

    def is_healthy(self) -> bool:
        """True while requests can be answered; a death found here begins the restart."""
        with self._lock:
            if self._restarter is not None or self._verdict or self._is_closing:
                return False
            if self._inner.is_healthy():
                return True
            self._begin_restart()
            return False

    @property
    def is_restarting(self) -> bool:
        """True from a death that was noticed until the new backend stands or is given up."""
        return self._restarter is not None

    def stats(self) -> EngineStats:
        """State and counters of the present backend; counters begin again with each, but for the restarts."""
        return replace(self._inner.stats(), num_restarts=self.num_restarts)

    def close(self) -> None:
        """End all requests and start nothing any more."""
        with self._lock:
            self._is_closing = True
            restarter = self._restarter
        if restarter is not None:
            restarter.join()
        self._inner.close()

    def _begin_restart(self) -> None:
        now_s = time.monotonic()
        while self._restarts_s and now_s - self._restarts_s[0] > self._window_s:
            self._restarts_s.popleft()
        if len(self._restarts_s) >= self._max_restarts:
            self._verdict = f"it died {self._max_restarts + 1} times within {self._window_s:g} s"
            logger.critical("the engine is given up: %s", self._verdict)
            return
        self._restarts_s.append(now_s)
        self._restarter = threading.Thread(target=self._restart, name="flashstep-restart", daemon=True)
        self._restarter.start()

    def _restart(self) -> None:
        logger.error("the engine died; starting a new one")
        inner: Backend | None = None
        reason = "an unexpected error, of which the log has the stack"
        try:
            self._inner.close()  # gives its memory back before the new one asks for the same
            inner = self._start()
        except (FlashstepError, OSError, MemoryError) as error:
            reason = str(error)
        finally:  # also behind an error that nobody expected: a restart must come to an end
            self._conclude(inner, reason)

    def _conclude(self, inner: Backend | None, reason: str) -> None:
        """Go on with `inner`, or give up for `reason` when there is none."""
        with self._lock:
            self._restarter = None
            if inner is None:
                self._verdict = f"it could not be started again: {reason}"
            else:
                self._inner = inner
                self.num_restarts += 1
        if inner is None:
            logger.critical("the engine is given up: %s", self._verdict)
        else:
            logger.warning("the engine runs again")
