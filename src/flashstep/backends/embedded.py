"""The engine of this package as a backend, in a thread of this process."""

from collections.abc import Callable
from pathlib import Path

from flashstep.backends.base import EngineStats
from flashstep.engine.async_engine import AsyncEngine, TokenStream
from flashstep.engine.config import EngineConfig
from flashstep.engine.loading import load_engine
from flashstep.engine.processors import Grammars
from flashstep.model.checkpoint import weights_digest
from flashstep.types import Request


class EmbeddedBackend:
    """A backend over an `AsyncEngine`, which it owns."""

    is_restarting = False  # nobody starts it again by itself

    def __init__(
        self, engine: AsyncEngine, *, model_name: str, fingerprint: str = "", max_concurrency: int = 1
    ) -> None:
        self._engine = engine
        self.model_name = model_name
        self.fingerprint = fingerprint
        self.max_concurrency = max_concurrency
        self.context_length = engine.context_length

    @classmethod
    def load(
        cls, path: Path, config: EngineConfig, *, num_valid_tokens: int,
        grammars: Grammars | None = None, on_progress: Callable[[str], None] | None = None,
    ) -> "EmbeddedBackend":  # fmt: skip
        """Load a checkpoint folder and start the engine's thread; the folder's name is the model's.
        `grammars` serve requests that have one; None = these are refused.

        ConfigError when the folder, the weights or the sizes cannot work.
        """
        engine = load_engine(
            path, config, num_valid_tokens=num_valid_tokens, grammars=grammars, on_progress=on_progress
        )
        max_live = config.max_sequences + config.max_waiting
        return cls(
            AsyncEngine(engine, max_live=max_live),
            model_name=path.resolve().name,
            fingerprint=f"{weights_digest(path)} {config.runner} {config.weight_format}",
            max_concurrency=config.max_sequences,
        )

    def generate(self, request: Request) -> TokenStream:
        """Start a request; errors as in `Backend.generate`."""
        return self._engine.submit(request)

    def stats(self) -> EngineStats:
        """The engine's state and counters."""
        engine = self._engine.engine
        metrics = engine.metrics
        return EngineStats(
            num_running=engine.num_running,
            num_waiting=engine.num_waiting,
            kv_usage=engine.kv_usage,
            num_preemptions=metrics.num_preemptions,
            num_steps=metrics.num_steps,
            num_prompt_tokens=metrics.num_prompt_tokens,
            num_generated_tokens=metrics.num_generated_tokens,
            num_cached_tokens=metrics.num_cached_tokens,
            num_verifications=metrics.num_verifications,
            drafted_by_position=tuple(metrics.num_drafted_by_position),
            accepted_by_position=tuple(metrics.num_accepted_by_position),
        )

    def is_healthy(self) -> bool:
        """False once the engine's thread has ended."""
        return self._engine.is_alive

    def close(self) -> None:
        """Abort all requests and end the thread."""
        self._engine.close()
