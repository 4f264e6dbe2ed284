"""What one key has used of its limits, and the headers that tell it.

Header names and the form of durations ("1.5s", "6m0s") are OpenAI's. Tokens are reserved by an estimate
before a generation runs and settled by what it really took.
"""

import time
from collections.abc import Callable, Mapping

from flashstep.errors import RateLimited
from flashstep.server.keys.api_key import ApiKey, KeyLimits
from flashstep.server.limits.bucket import Bucket

HEADERS = (
    "Retry-After",
    "Retry-After-Ms",
    *(
        f"x-ratelimit-{what}-{name}"
        for what in ("limit", "remaining", "reset")
        for name in ("requests", "tokens")
    ),
)


class Meter:
    """The use of one key. clock: seconds, monotonic."""

    def __init__(self, key: ApiKey, clock: Callable[[], float]) -> None:
        self.limits = key.limits
        self._name = key.name
        self._num_open = 0
        self._requests = _bucket(key.limits.requests_per_minute, clock)
        self._tokens = _bucket(key.limits.tokens_per_minute, clock)

    def begin_call(self) -> None:
        """Count a call that comes in; each one that was counted must be ended. Raises RateLimited."""
        most = self.limits.concurrency
        if most is not None and self._num_open >= most:
            raise RateLimited(
                f"key {self._name!r} has {self._num_open} calls open, and its limit is {most} at the same "
                "time; send the next one when one of them has ended",
                limit="concurrency",
                retry_after_s=1.0,
            )
        if self._requests is not None:
            self._check(self._requests, 1, "requests", "the next one fits")
            self._requests.take(1)
        self._num_open += 1

    def end_call(self) -> None:
        """A counted call is over."""
        self._num_open -= 1

    def reserve_tokens(self, estimate: int) -> None:
        """Take the tokens that a prompt is expected to have. Raises RateLimited."""
        if self._tokens is not None:
            self._check(self._tokens, estimate, "tokens", f"about {estimate} fit")
            self._tokens.take(estimate)

    def settle_tokens(self, reserved: int, used: int) -> None:
        """Replace a reservation by what was really used."""
        if self._tokens is not None:
            self._tokens.take(used - reserved)

    def headers(self) -> Mapping[str, str]:
        """What is left, as response headers; only for limits that the key has."""
        headers: dict[str, str] = {}
        for name, bucket in (("requests", self._requests), ("tokens", self._tokens)):
            if bucket is not None:
                headers[f"x-ratelimit-limit-{name}"] = str(bucket.per_minute)
                headers[f"x-ratelimit-remaining-{name}"] = str(bucket.remaining)
                headers[f"x-ratelimit-reset-{name}"] = _duration(bucket.reset_s)
        return headers

    def _check(self, bucket: Bucket, amount: int, name: str, then: str) -> None:
        wait_s = bucket.wait_s(amount)
        if wait_s > 0:
            raise RateLimited(
                f"key {self._name!r} has reached its limit of {bucket.per_minute} {name} a minute, with "
                f"{bucket.remaining} left; {then} in {_duration(wait_s)}",
                limit=name,
                retry_after_s=wait_s,
            )


class Meters:
    """The meters of all keys that have limits, and of those that had some and are gone.

    clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._meters: dict[str, Meter] = {}

    def of(self, key: ApiKey | None) -> Meter | None:
        """The meter of a key; None where nothing is limited. A key whose limits were changed begins anew."""
        if key is None or key.limits == KeyLimits():
            return None
        meter = self._meters.get(key.name)
        if meter is None or meter.limits != key.limits:
            meter = self._meters[key.name] = Meter(key, self._clock)
        return meter


def _bucket(per_minute: int | None, clock: Callable[[], float]) -> Bucket | None:
    return None if per_minute is None else Bucket(per_minute, clock)


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{max(0, round(seconds * 1000))}ms"
    minutes, rest = divmod(round(seconds, 1), 60)
    return f"{int(minutes)}m{rest:g}s" if minutes else f"{rest:g}s"
