"""One interface for everything that answers token ids with token ids.

A chat, a template and a parser sit above it once, whichever engine is below.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from flashstep.types import Request, TokenOutput


@dataclass(frozen=True, slots=True)
class EngineStats:
    """The engine's state and counters since it started, for metrics. kv_usage is in [0, 1]; num_restarts is
    how many engines died before it; accepted_by_position[i] of drafted_by_position[i] drafts i places ahead
    were kept."""

    num_running: int = 0
    num_waiting: int = 0
    kv_usage: float = 0.0
    num_preemptions: int = 0
    num_steps: int = 0
    num_prompt_tokens: int = 0
    num_generated_tokens: int = 0
    num_cached_tokens: int = 0
    num_verifications: int = 0
    num_restarts: int = 0
    drafted_by_position: tuple[int, ...] = ()
    accepted_by_position: tuple[int, ...] = ()


class TokenStream(Protocol):
    """The outputs of one request; the last one, and only it, has a finish reason."""

    def __aiter__(self) -> AsyncIterator[TokenOutput]:
        """Itself."""
        ...

    async def __anext__(self) -> TokenOutput:
        """The next output; StopAsyncIteration behind the last one."""
        ...

    async def aclose(self) -> None:
        """Abort the request at once unless it has ended; safe to call twice."""
        ...


class Backend(Protocol):
    """Where tokens come from. `context_length` counts prompt and answer together."""

    @property
    def model_name(self) -> str:
        """The loaded model's own name."""
        ...

    @property
    def context_length(self) -> int:
        """Tokens that prompt and answer may have together."""
        ...

    @property
    def fingerprint(self) -> str:
        """Changes when weights or the way they are computed change."""
        ...

    @property
    def max_concurrency(self) -> int:
        """Requests that are computed at the same time; more would wait inside."""
        ...

    def stats(self) -> EngineStats:
        """A snapshot of state and counters; cheap, any thread."""
        ...

    def generate(self, request: Request) -> TokenStream:
        """Start a request, inside an event loop.

        Raises InvalidRequest, Overloaded or EngineDead when it cannot be started; afterwards
        trouble arrives as an output with the finish reason "error". Whoever stops reading early
        must close the stream.
        """
        ...

    def is_healthy(self) -> bool:
        """False once no request can be answered any more, or not yet again."""
        ...

    @property
    def is_restarting(self) -> bool:
        """True while it is not healthy and will be again without anybody's help."""
        ...

    def close(self) -> None:
        """End all requests and give resources back; blocks until done."""
        ...
