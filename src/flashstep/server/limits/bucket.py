"""An allowance that refills evenly: a token bucket on a monotonic clock.

Over any stretch of time no more is let through than the bucket holds plus what flowed in meanwhile.
It may fall below zero, by what turned out to cost more than was foreseen; then it must fill up first.
"""

from collections.abc import Callable


class Bucket:
    """Holds `per_minute` at most and gets as much in a minute; full at the start. clock: seconds."""

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._level = float(per_minute)
        self._seen_s = clock()

    def wait_s(self, amount: float) -> float:
        """Seconds until `amount` can be taken; 0 = now. More than the bucket can ever hold is let
        through when it is full, or it could never be served."""
        missing = min(amount, self.per_minute) - self._now()
        return max(0.0, missing) * 60 / self.per_minute

    def take(self, amount: float) -> None:
        """Take it, whatever is left; a negative amount is given back."""
        self._level = min(self._now() - amount, float(self.per_minute))

    @property
    def remaining(self) -> int:
        """What can be taken now."""
        return max(0, int(self._now()))

    @property
    def reset_s(self) -> float:
        """Seconds until it is full again."""
        return (self.per_minute - self._now()) * 60 / self.per_minute

    def _now(self) -> float:
        now_s = self._clock()
        gained = (now_s - self._seen_s) * self.per_minute / 60
        self._level = min(self._level + gained, float(self.per_minute))
        self._seen_s = now_s
        return self._level
