"""What decode steps with drafts cost, in steps without: from the last few times of whole steps, per number
of sequences, context length and number of drafts.

Of each few times the lower quartile counts: what disturbs a step only makes it longer. A cost that was not
measured for long is believed less and less, so that one that was disturbed all the time gets another chance.
"""

from collections import deque
from typing import NamedTuple

_SAMPLES, _ENOUGH = 9, 3  # times kept, and wanted before they count
_STALE = 128  # samples of one size, after which a number of drafts ought to be measured again
_FADE = 0.9  # a ratio is believed to be at least this share of itself, once more for each `_STALE` samples
_CONTEXT_SHIFT = 11  # contexts of up to 2^11 tokens together are alike, then each doubling stands alone
_LEAST_SHARE = 0.8  # a ratio that was measured with another size may be this much smaller here
_LEAST_PER_DRAFT = 0.1  # what a draft costs at least, where nothing was ever measured


class StepSize(NamedTuple):
    """What plain steps of about the same cost have in common; see `step_size`."""

    num_sequences: int
    context: int


def step_size(num_decoding: int, num_context: int) -> StepSize:
    """The size of a step: the number of sequences rounded up (1 2 3 4 6 8 12 16 24 ...), and the order of
    magnitude of the tokens in their caches."""
    step = 1 << max(0, (num_decoding - 1).bit_length() - 2)
    return StepSize(-(-num_decoding // step) * step, (num_context >> _CONTEXT_SHIFT).bit_length())


class _Times:
    """Steps of one size: samples and their lower quartiles per number of drafts."""

    __slots__ = ("added_at", "num_added", "quartiles", "samples")

    def __init__(self, num_drafts: int) -> None:
        self.samples: list[deque[float]] = [deque(maxlen=_SAMPLES) for _ in range(num_drafts + 1)]
        self.quartiles = [0.0] * (num_drafts + 1)
        self.added_at = [0] * (num_drafts + 1)
        self.num_added = 0

    def add(self, num_drafts: int, seconds: float) -> None:
        samples = self.samples[num_drafts]
        if self.age(num_drafts) > _STALE:
            samples.clear()
        samples.append(seconds)
        self.num_added += 1
        self.added_at[num_drafts] = self.num_added
        self.quartiles[num_drafts] = sorted(samples)[len(samples) // 4]

    def age(self, num_drafts: int) -> int:
        return self.num_added - self.added_at[num_drafts]

    def is_known(self, num_drafts: int) -> bool:
        return len(self.samples[num_drafts]) >= _ENOUGH

    def ratio(self, num_drafts: int) -> float | None:
        if self.is_known(0) and self.is_known(num_drafts):
            return self.quartiles[num_drafts] / max(self.quartiles[0], 1e-9)
        return None


class StepCosts:
    """Learns costs of steps with up to `num_drafts` drafts."""

    def __init__(self, num_drafts: int) -> None:
        self._num_drafts = num_drafts
        self._times: dict[StepSize, _Times] = {}

    def add(self, size: StepSize, num_drafts: int, seconds: float) -> None:
        """Note a step in which every sequence decoded with `num_drafts` drafts."""
        if size not in self._times:
            self._times[size] = _Times(self._num_drafts)
        self._times[size].add(num_drafts, seconds)

    def knows_plain(self, size: StepSize) -> bool:
        """False when steps without drafts ought to be measured."""
        times = self._times.get(size)
        return times is not None and times.is_known(0) and times.age(0) <= _STALE

    def ratio(self, size: StepSize, num_drafts: int) -> float:
        """The time of a step with drafts over that of one without. Where it was not measured lately, a
        guess on the low side, so that somebody tries and finds out."""
        times = self._times.get(size)
        own = times.ratio(num_drafts) if times is not None else None
        if times is not None and own is not None:
            return own * float(_FADE ** (times.age(num_drafts) // _STALE))
        known = [
            (_distance(size, other), ratio)
            for other, them in self._times.items()
            if (ratio := them.ratio(num_drafts)) is not None
        ]
        return min(known)[1] * _LEAST_SHARE if known else 1 + _LEAST_PER_DRAFT * num_drafts


def _distance(a: StepSize, b: StepSize) -> float:
    most, least = max(a.num_sequences, b.num_sequences), min(a.num_sequences, b.num_sequences)
    return most / least + abs(a.context - b.context)
