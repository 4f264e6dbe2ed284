"""Which requests draft, and for how long: as long as drafting has not cost them more than it saved.

A verifying step costs more than a plain one and brings one token more for each draft it keeps. So each
request has an account in plain steps: one with drafts that are rarely right stops for good once it has lost
more than a verifying step in which nothing is kept, and the next ones do not begin for a while, twice as long
after each further loss. No clock is read here; but how many steps of a request are entered together depends
on the time that they take (multi_step.py), so where several requests draft, which of them are the next ones
may vary. Answers do not.
"""

import math

from flashstep.engine.sequence import Sequence

# A request may lose as much as this many verifying steps in which no draft is kept. With two, a sixteenth of
# the built-in model's answers lose more than 5%, with one a thirtieth, for 2% of the speed (dev/LOG.md,
# 2026-12-01).
_LOST_STEPS = 1
_LONGEST_PAUSE = 64  # requests
# What drafts must gain in the kernels, if all are right: some are wrong, and prompts pass the modules, too.
_LEAST_GAIN = 1.25


class DraftPolicy:
    """Keeps the accounts of one engine's requests. `step_cost`: what a verifying step costs, in plain steps
    (`draft_price.py`)."""

    def __init__(self, step_cost: float) -> None:
        self.step_cost = step_cost
        self._allowance = _LOST_STEPS * (self.step_cost - 1)
        self._pause = 0  # requests that will not draft
        self._next_pause = 1

    def pays(self, num_drafts: int) -> bool:
        """Whether steps that verify so many drafts can gain anything worth having."""
        return 1 + num_drafts >= _LEAST_GAIN * self.step_cost

    def admits(self) -> bool:
        """Whether the next request drafts; asked once for each."""
        if self._pause == 0:
            return True
        self._pause -= 1
        return False

    def most_steps(self, seq: Sequence) -> float:
        """How many verifying steps `seq` can make up to and including the first after which `keeps` may say
        that it shall stop: so many, all of whose drafts are wrong, use its account up."""
        loss = self.step_cost - 1
        return math.floor((seq.draft_gain + self._allowance) / loss) + 1 if loss > 0 else math.inf

    def keeps(self, seq: Sequence, num_accepted: int) -> bool:
        """Enter a verifying step into the account of `seq`; False = it shall stop drafting."""
        seq.draft_gain += 1 + num_accepted - self.step_cost
        if seq.draft_gain < -self._allowance:
            self._pause = self._next_pause
            self._next_pause = min(2 * self._next_pause, _LONGEST_PAUSE)
            return False
        if seq.draft_gain > self._allowance:
            self._next_pause = 1
        return True
