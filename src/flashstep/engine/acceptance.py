"""How often drafts were kept lately: one chance per position, given that the drafts before it were kept.

Counts decay with every verification, so that an estimate follows the text; where nothing was seen for
long it goes back to what the caller believes beforehand.
"""

from collections.abc import Sequence as Ordered


class Acceptance:
    """Decaying counts of seen and kept drafts for up to `num_drafts` positions.

    memory: verifications after which a count has shrunk to about a third.
    """

    __slots__ = ("_decay", "_kept", "_seen")

    def __init__(self, num_drafts: int, memory: float = 8.0) -> None:
        self._decay = 1 - 1 / memory
        self._seen = [0.0] * num_drafts
        self._kept = [0.0] * num_drafts

    def count(self, num_drafted: int, num_accepted: int) -> None:
        """Note one verification. Drafts behind the first rejected one tell nothing."""
        seen, kept, decay = self._seen, self._kept, self._decay
        for i in range(len(seen)):
            seen[i] = seen[i] * decay + (i <= num_accepted and i < num_drafted)
            kept[i] = kept[i] * decay + (i < num_accepted)

    def chances(self, beliefs: Ordered[float], weight: float) -> list[float]:
        """The chance of each position in [0, 1]; `beliefs` count like `weight` verifications."""
        each = zip(self._kept, self._seen, beliefs, strict=True)
        return [(kept + weight * belief) / (seen + weight) for kept, seen, belief in each]


def expected_tokens(chances: Ordered[float], num_drafts: int) -> float:
    """Tokens that a step with `num_drafts` drafts brings on average: 1 + c1 + c1 c2 + ...

    >>> expected_tokens([0.5, 0.5, 0.9], 2)
    1.75
    """
    tokens = chance = 1.0
    for c in chances[:num_drafts]:
        chance *= c
        tokens += chance
    return tokens
