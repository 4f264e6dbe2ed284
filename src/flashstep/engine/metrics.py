"""Counters of one engine since it started; plain numbers, no I/O, written by the engine only.

Readers in other threads may see a step half counted, never a torn number.
"""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Metrics:
    """What has been computed.

    num_steps: trunk passes; num_batch_tokens: rows of them all. num_prompt_tokens: of all requests added,
    computed or not.
    num_cached_tokens: those of them that were found in the prefix cache.
    num_drafted_by_position[i]: drafts i places behind a known token that were verified;
    num_accepted_by_position[i]: those that were kept. num_verifications: steps of a sequence
    that carried at least one draft.
    """

    num_steps: int = 0
    num_batch_tokens: int = 0
    num_prompt_tokens: int = 0
    num_generated_tokens: int = 0
    num_preemptions: int = 0
    num_cached_tokens: int = 0
    num_verifications: int = 0
    num_drafted_by_position: list[int] = field(default_factory=list)
    num_accepted_by_position: list[int] = field(default_factory=list)

    @classmethod
    def for_drafts(cls, num_drafts: int) -> "Metrics":
        """Counters for an engine that drafts up to `num_drafts` tokens."""
        return cls(num_drafted_by_position=[0] * num_drafts, num_accepted_by_position=[0] * num_drafts)

    def count_verification(self, num_drafted: int, num_accepted: int) -> None:
        """Note one sequence's drafts of one step."""
        if num_drafted:
            self.num_verifications += 1
        for i in range(num_drafted):
            self.num_drafted_by_position[i] += 1
        for i in range(num_accepted):
            self.num_accepted_by_position[i] += 1

    @property
    def acceptance_rate(self) -> float:
        """Accepted drafts / verified drafts, in [0, 1]; 0 before the first."""
        return sum(self.num_accepted_by_position) / max(1, sum(self.num_drafted_by_position))

    @property
    def acceptance_rate_by_position(self) -> tuple[float, ...]:
        """The same for the first draft, the second, ..."""
        pairs = zip(self.num_accepted_by_position, self.num_drafted_by_position, strict=True)
        return tuple(accepted / max(1, drafted) for accepted, drafted in pairs)

    @property
    def acceptance_length(self) -> float:
        """Tokens per verifying step, bonus included: 1 + accepted / verifications."""
        return 1 + sum(self.num_accepted_by_position) / max(1, self.num_verifications)
