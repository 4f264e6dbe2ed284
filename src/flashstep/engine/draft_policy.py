"""Decides how many tokens the next step drafts: the same for all its sequences, so that nobody waits for
rows that only others profit from.

Answers never depend on it (`speculative.verify`), which is why measured times may. `AdaptiveDrafts` takes
the number with the most expected tokens per second among those that slow no sequence down. Expected tokens
come from `Acceptance`; seconds are those of whole decode steps as they went by, the median of the last few
per size of the step and number of drafts. A number whose time is unknown or old is tried for some steps, but
only if it could win; while nothing is drafted, single drafts are tried within `_TRIAL_SHARE` of the time.
"""

import statistics
from collections import deque
from collections.abc import Sequence as Ordered
from typing import Protocol

from flashstep.engine.acceptance import Acceptance, expected_tokens
from flashstep.engine.sequence import Sequence

_FIRST_BELIEF = 0.8  # chance of a draft before anything was seen; high enough to try
_ENGINE_WEIGHT, _SEQUENCE_WEIGHT = 4.0, 8.0  # verifications that a belief counts for
_ENGINE_MEMORY = 64.0  # verifications
_SAMPLES, _ENOUGH = 9, 3  # times kept, and wanted before one is trusted
_STALE_STEPS = 512  # steps of one size after which a time is measured anew
_SLACK = 0.8  # an old ratio of times may have shrunk to this share
_MARGIN = 1.03  # drafting must beat plain steps by this
_TRIAL_SHARE, _TRIAL_STEPS = 0.02, 4  # of the time without drafts; steps of one trial
_TRIAL_RATIO = 2.0  # what a step with one draft costs at most, in plain steps, before it was measured


class DraftPolicy(Protocol):
    """Chooses, and is told what came of it."""

    def choose(self, drafting: Ordered[Sequence], num_decoding: int, num_context: int) -> int:
        """Drafts for the next step of `drafting` (at least one), which are among `num_decoding` sequences
        with `num_context` tokens in their caches; 0 = none, at most the engine's limit."""
        ...

    def count(self, seq: Sequence, num_drafted: int, num_accepted: int) -> None:
        """One sequence's drafts (at least one) were verified."""
        ...

    def time(self, num_drafts: int, num_decoding: int, num_context: int, seconds: float) -> None:
        """A whole step in which every sequence decoded with `num_drafts` drafts took so long."""
        ...


class FixedDrafts:
    """Always the same number."""

    def __init__(self, num_drafts: int) -> None:
        self._num_drafts = num_drafts

    def choose(self, drafting: Ordered[Sequence], num_decoding: int, num_context: int) -> int:
        """See `DraftPolicy`."""
        return self._num_drafts

    def count(self, seq: Sequence, num_drafted: int, num_accepted: int) -> None:
        """Nothing to learn."""

    def time(self, num_drafts: int, num_decoding: int, num_context: int, seconds: float) -> None:
        """Nothing to learn."""


class _StepTimes:
    """Times of decode steps of one size, per number of drafts, relative to none."""

    def __init__(self, num_sequences: int, num_drafts: int) -> None:
        self.num_sequences = num_sequences
        self._samples: list[deque[float]] = [deque(maxlen=_SAMPLES) for _ in range(num_drafts + 1)]
        self._medians = [0.0] * (num_drafts + 1)
        self._measured_at = [0] * (num_drafts + 1)
        self._num_steps = 0

    def add(self, num_drafts: int, seconds: float) -> None:
        """Note one step."""
        self._num_steps += 1
        samples = self._samples[num_drafts]
        if self._num_steps - self._measured_at[num_drafts] > _STALE_STEPS:
            samples.clear()
        self._measured_at[num_drafts] = self._num_steps
        samples.append(seconds)
        self._medians[num_drafts] = statistics.median(samples)

    def is_known(self, num_drafts: int) -> bool:
        """True with enough samples that are not too old."""
        age = self._num_steps - self._measured_at[num_drafts]
        return age <= _STALE_STEPS and len(self._samples[num_drafts]) >= _ENOUGH

    def ratio(self, num_drafts: int) -> float | None:
        """Time with drafts over time without, old or not; None while one was never measured."""
        with_drafts, plain = self._medians[num_drafts], self._medians[0]
        return with_drafts / plain if with_drafts and plain else None


class AdaptiveDrafts:
    """Learns acceptance and times, and drafts where that pays; at most `num_drafts` at a time."""

    def __init__(self, num_drafts: int) -> None:
        self._num_drafts = num_drafts
        self._acceptance = Acceptance(num_drafts, _ENGINE_MEMORY)
        self._beliefs = [_FIRST_BELIEF] * num_drafts
        self._times: dict[tuple[int, int], _StepTimes] = {}
        self._trial_credit = 0.0  # in plain steps
        self._trial_steps_left = 0

    def count(self, seq: Sequence, num_drafted: int, num_accepted: int) -> None:
        """See `DraftPolicy`."""
        seq.acceptance.count(num_drafted, num_accepted)
        self._acceptance.count(num_drafted, num_accepted)
        self._beliefs = self._acceptance.chances([_FIRST_BELIEF] * self._num_drafts, _ENGINE_WEIGHT)

    def time(self, num_drafts: int, num_decoding: int, num_context: int, seconds: float) -> None:
        """See `DraftPolicy`."""
        self._times_of(num_decoding, num_context).add(num_drafts, seconds)
        if num_drafts == 0:
            self._trial_credit += _TRIAL_SHARE

    def choose(self, drafting: Ordered[Sequence], num_decoding: int, num_context: int) -> int:
        """See `DraftPolicy`."""
        times = self._times_of(num_decoding, num_context)
        if not times.is_known(0):
            return 0
        chances = [seq.acceptance.chances(self._beliefs, _SEQUENCE_WEIGHT) for seq in drafting]
        best, best_gain = 0, 0.0
        for k in range(1, self._num_drafts + 1):
            tokens = [expected_tokens(c, k) for c in chances]
            is_known = times.is_known(k)
            ratio = (times.ratio(k) or 0.0) if is_known else self._least_ratio(times, k)
            if min(tokens) < ratio * _MARGIN:
                continue
            if not is_known:
                return k
            if sum(tokens) / ratio > best_gain:
                best, best_gain = k, sum(tokens) / ratio
        return best or self._trial(times)

    def _least_ratio(self, times: _StepTimes, num_drafts: int) -> float:
        """What a step with drafts may cost at least, in plain steps: its old measurement, or that of
        smaller steps, where a row more costs less."""
        own = times.ratio(num_drafts)
        if own is not None:
            return own * _SLACK
        smaller = [
            ratio
            for other in self._times.values()
            if other.num_sequences <= times.num_sequences and (ratio := other.ratio(num_drafts)) is not None
        ]
        return min(smaller, default=1.0) * _SLACK

    def _trial(self, times: _StepTimes) -> int:
        """One draft now and then, to see whether they would be kept again; 0 = not now."""
        if self._trial_steps_left > 0:
            self._trial_steps_left -= 1
            return 1
        ratio = times.ratio(1) or _TRIAL_RATIO
        could_pay = any(k + 1 > self._least_ratio(times, k) * _MARGIN for k in range(1, self._num_drafts + 1))
        if could_pay and self._trial_credit >= _TRIAL_STEPS * ratio:
            self._trial_credit = 0.0
            self._trial_steps_left = _TRIAL_STEPS - 1
            return 1
        return 0

    def _times_of(self, num_decoding: int, num_context: int) -> _StepTimes:
        size = _bucket(num_decoding)
        key = size, (num_context >> 11).bit_length()
        times = self._times.get(key)
        if times is None:
            times = self._times[key] = _StepTimes(size, self._num_drafts)
        return times


def _bucket(count: int) -> int:
    """The count rounded up so that neighbours share measurements: 1 2 3 4 6 8 12 16 24 32 ..."""
    step = 1 << max(0, (count - 1).bit_length() - 2)
    return -(-count // step) * step
