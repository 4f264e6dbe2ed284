"""How much the server takes on at once, and how long it waits for clients."""

from dataclasses import dataclass

from flashstep.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """Raises ConfigError naming the setting that cannot work. Times are in seconds.

    max_waiting: requests in the queue before the engine; further ones are answered 503.
    max_queue_wait_s: one that has waited so long is answered 503.
    request_timeout_s: a client that sends nothing of its request for so long is answered 408.
    send_timeout_s: a client that reads nothing for so long, with all buffers full, is cut off.
    shutdown_grace_s: that running answers get to end when the server is stopped.
    """

    max_waiting: int = 256
    max_queue_wait_s: float = 60.0
    request_timeout_s: float = 30.0
    send_timeout_s: float = 60.0
    shutdown_grace_s: float = 25.0

    def __post_init__(self) -> None:
        if self.max_waiting < 0:
            raise ConfigError(f"max_waiting: {self.max_waiting} must not be negative; 0 = nobody waits")
        for name in ("max_queue_wait_s", "request_timeout_s", "send_timeout_s"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name}: {getattr(self, name)} must be positive")
        if not self.shutdown_grace_s >= 0:
            raise ConfigError(f"shutdown_grace_s: {self.shutdown_grace_s} must not be negative")
