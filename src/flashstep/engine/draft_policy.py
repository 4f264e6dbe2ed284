"""Decides how many tokens the next step drafts: the same for all its sequences, so that nobody waits for
rows that only others profit from.

Answers never depend on it (`speculative.verify`), which is why measured times may. `AdaptiveDrafts` takes
the number with the most expected tokens per second among those that slow no sequence down. Expected tokens
come from `Acceptance`, times from `StepCosts`. While nothing is drafted, single drafts are tried now and
then, within `_TRIAL_SHARE` of the time.
"""

from collections.abc import Sequence as Ordered
from typing import NamedTuple, Protocol

from flashstep.engine.acceptance import Acceptance, expected_tokens
from flashstep.engine.sequence import Sequence
from flashstep.engine.step_costs import StepCosts, step_size

_FIRST_BELIEF = 0.8  # chance of a draft before anything was seen; high enough to try
_ENGINE_WEIGHT, _SEQUENCE_WEIGHT = 4.0, 8.0  # verifications that a belief counts for
_ENGINE_MEMORY = 64.0  # verifications
_MARGIN = 1.03  # drafting must beat plain steps by this
_CHANGE_MARGIN = 1.08  # and any other number of drafts by this; modules that begin anew draft worse at first
_HOLD_STEPS, _REST_STEPS = 8, 16  # steps between decisions with and without drafts
_MEASURE_STEPS = 3  # to learn what plain steps cost
_TRIAL_SHARE, _TRIAL_STEPS = 0.005, 4  # of the steps without drafts; steps of one trial


class Choice(NamedTuple):
    """Drafts per sequence, 0 = none, and for how many steps that holds while as many sequences decode."""

    num_drafts: int
    num_steps: int


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

    def time(self, num_drafts: int, num_decoding: int, num_context: int, seconds: float) -> None:
        """A step without prefill went by, each of its sequences with `num_drafts` drafts."""
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

    def time(self, num_drafts: int, num_decoding: int, num_context: int, seconds: float) -> None:
        """Nothing to learn."""


class AdaptiveDrafts:
    """Learns acceptance and times, and drafts where that pays; at most `num_drafts` at a time."""

    def __init__(self, num_drafts: int) -> None:
        self._num_drafts = num_drafts
        self._acceptance = Acceptance(num_drafts, _ENGINE_MEMORY)
        self._costs = StepCosts(num_drafts)
        self._last_best = 0
        self._trial_credit = 0.0  # in plain steps

    def count(self, seq: Sequence, num_drafted: int, num_accepted: int) -> None:
        """See `DraftPolicy`."""
        seq.acceptance.count(num_drafted, num_accepted)
        self._acceptance.count(num_drafted, num_accepted)

    def time(self, num_drafts: int, num_decoding: int, num_context: int, seconds: float) -> None:
        """See `DraftPolicy`."""
        self._costs.add(step_size(num_decoding, num_context), num_drafts, seconds)

    def choose(self, drafting: Ordered[Sequence], num_decoding: int, num_context: int) -> Choice:
        """See `DraftPolicy`."""
        size = step_size(num_decoding, num_context)
        if not self._costs.knows_plain(size):
            return Choice(0, _MEASURE_STEPS)
        ratios = [self._costs.ratio(size, k) for k in range(1, self._num_drafts + 1)]
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
