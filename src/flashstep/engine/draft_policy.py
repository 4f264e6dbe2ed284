"""Decides how many tokens the next step drafts: the same for all its sequences, so that nobody waits for
rows that only others profit from.

Answers never depend on it (`speculative.verify`), which is why measured times may. `AdaptiveDrafts` takes
the number with the most expected tokens per second among those that slow no sequence down. Expected tokens
come from `Acceptance`. A step of S sequences with k drafts each is taken to cost

    trunk(S (1 + k)) + k module(rows of the draft pass)

with two curves that are measured in passing (`TimeCurve`). While nothing is drafted, single drafts are
tried now and then, within `_TRIAL_SHARE` of the time.
"""

from collections.abc import Sequence as Ordered
from typing import NamedTuple, Protocol

from flashstep.engine.acceptance import Acceptance, expected_tokens
from flashstep.engine.sequence import Sequence
from flashstep.engine.time_curve import TimeCurve

_FIRST_BELIEF = 0.8  # chance of a draft before anything was seen; high enough to try
_ENGINE_WEIGHT, _SEQUENCE_WEIGHT = 4.0, 8.0  # verifications that a belief counts for
_ENGINE_MEMORY = 64.0  # verifications
_MARGIN = 1.03  # drafting must beat plain steps by this
_CHANGE_MARGIN = 1.08  # and any other number of drafts by this; modules that begin anew draft worse at first
_HOLD_STEPS, _REST_STEPS = 8, 16  # steps between decisions with and without drafts
_MEASURE_STEPS = 3  # to learn what plain steps cost
_STALE_SAMPLES = 128  # samples after which plain steps are measured again
_RATIO_AGE = 4  # decisions for which ratios of times are used again
_TRIAL_SHARE, _TRIAL_STEPS = 0.01, 4  # of the steps without drafts; steps of one trial
_CONTEXT_SHIFT = 11  # contexts of up to 2^11 tokens together share curves, then each doubling has its own


class Choice(NamedTuple):
    """Drafts per sequence, 0 = none, and for how many steps that holds while as many sequences decode."""

    num_drafts: int
    num_steps: int


class StepTimes(NamedTuple):
    """A step in which `num_decoding` sequences with `num_context` tokens in their caches decoded, each
    with `num_drafts` drafts. draft_s: of the draft pass over `num_draft_rows` rows; rest_s: of the rest."""

    num_decoding: int
    num_context: int
    num_drafts: int
    num_draft_rows: int
    draft_s: float
    rest_s: float


class DraftPolicy(Protocol):
    """Chooses, and is told what came of it."""

    def choose(self, drafting: Ordered[Sequence], num_decoding: int, num_context: int) -> Choice:
        """For the next steps of `drafting` (at least one), which are among `num_decoding` sequences
        with `num_context` tokens in their caches."""
        ...

    def rest(self) -> None:
        """A step without drafts went by."""
        ...

    def count(self, seq: Sequence, num_drafted: int, num_accepted: int) -> None:
        """One sequence's drafts (at least one) were verified."""
        ...

    def time(self, times: StepTimes) -> None:
        """A step without prefill went by."""
        ...


class FixedDrafts:
    """Always the same number."""

    def __init__(self, num_drafts: int) -> None:
        self._choice = Choice(num_drafts, 1)

    def choose(self, drafting: Ordered[Sequence], num_decoding: int, num_context: int) -> Choice:
        """See `DraftPolicy`."""
        return self._choice

    def rest(self) -> None:
        """Nothing to learn."""

    def count(self, seq: Sequence, num_drafted: int, num_accepted: int) -> None:
        """Nothing to learn."""

    def time(self, times: StepTimes) -> None:
        """Nothing to learn."""


class _Costs:
    """What steps cost within one range of context lengths."""

    def __init__(self, num_drafts: int) -> None:
        self.trunk, self.module = TimeCurve(), TimeCurve()
        self._num_drafts = num_drafts
        self._ratios: dict[int, list[float]] = {}
        self._age = 0

    def ratios(self, num_decoding: int) -> list[float]:
        """Costs of steps with 1, 2, ... drafts, in plain steps; up to `_RATIO_AGE` calls old."""
        self._age += 1
        if self._age > _RATIO_AGE:
            self._ratios.clear()
            self._age = 0
        if num_decoding not in self._ratios:
            numbers = range(1, self._num_drafts + 1)
            self._ratios[num_decoding] = [self._ratio(num_decoding, k) for k in numbers]
        return self._ratios[num_decoding]

    def _ratio(self, num_decoding: int, num_drafts: int) -> float:
        plain_s = self.trunk.estimate(num_decoding)
        trunk_s = self.trunk.estimate(num_decoding * (1 + num_drafts))
        module_s = self.module.estimate(num_decoding * (1 + num_drafts))
        if not plain_s or trunk_s is None:
            return 1.0
        return (trunk_s + num_drafts * (module_s or 0.0)) / plain_s


class AdaptiveDrafts:
    """Learns acceptance and times, and drafts where that pays; at most `num_drafts` at a time."""

    def __init__(self, num_drafts: int) -> None:
        self._num_drafts = num_drafts
        self._acceptance = Acceptance(num_drafts, _ENGINE_MEMORY)
        self._costs: dict[int, _Costs] = {}
        self._last_best = 0
        self._trial_credit = 0.0  # in plain steps

    def count(self, seq: Sequence, num_drafted: int, num_accepted: int) -> None:
        """See `DraftPolicy`."""
        seq.acceptance.count(num_drafted, num_accepted)
        self._acceptance.count(num_drafted, num_accepted)

    def time(self, times: StepTimes) -> None:
        """See `DraftPolicy`."""
        costs = self._costs_of(times.num_context)
        costs.trunk.add(times.num_decoding * (1 + times.num_drafts), times.rest_s)
        if times.num_drafts:
            costs.module.add(times.num_draft_rows, times.draft_s / times.num_drafts)

    def choose(self, drafting: Ordered[Sequence], num_decoding: int, num_context: int) -> Choice:
        """See `DraftPolicy`."""
        costs = self._costs_of(num_context)
        if not costs.trunk.is_fresh(num_decoding, _STALE_SAMPLES):
            return Choice(0, _MEASURE_STEPS)
        ratios = costs.ratios(num_decoding)
        self._last_best = self._best(drafting, num_decoding, ratios)
        if self._last_best > 0:
            return Choice(self._last_best, _HOLD_STEPS)
        if self._may_try(ratios):
            self._trial_credit = 0.0
            return Choice(1, _TRIAL_STEPS)
        return Choice(0, _REST_STEPS)

    def rest(self) -> None:
        """See `DraftPolicy`."""
        self._trial_credit += _TRIAL_SHARE

    def _best(self, drafting: Ordered[Sequence], num_decoding: int, ratios: list[float]) -> int:
        """The number of drafts with the most tokens for its time that slows none of `drafting`; 0 = none."""
        beliefs = self._acceptance.chances([_FIRST_BELIEF] * self._num_drafts, _ENGINE_WEIGHT)
        chances = [seq.acceptance.chances(beliefs, _SEQUENCE_WEIGHT) for seq in drafting]
        best, best_gain = 0, 0.0
        for k, ratio in enumerate(ratios, 1):
            tokens = [expected_tokens(c, k) for c in chances]
            gain = (sum(tokens) + num_decoding - len(drafting)) / ratio
            if k == self._last_best:
                gain *= _CHANGE_MARGIN
            if min(tokens) >= ratio * (_MARGIN if self._last_best else _CHANGE_MARGIN) and gain > best_gain:
                best, best_gain = k, gain
        return best

    def _may_try(self, ratios: list[float]) -> bool:
        """Whether it is time to see if single drafts would be kept again; never where even that is too
        little."""
        could_pay = any(1 + k >= ratio * _MARGIN for k, ratio in enumerate(ratios, 1))
        return could_pay and self._trial_credit >= _TRIAL_STEPS * ratios[0]

    def _costs_of(self, num_context: int) -> _Costs:
        key = (num_context >> _CONTEXT_SHIFT).bit_length()
        costs = self._costs.get(key)
        if costs is None:
            costs = self._costs[key] = _Costs(self._num_drafts)
        return costs
