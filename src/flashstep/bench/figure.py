"""One measured quantity: its samples, what they are worth beside a ceiling, and under which conditions."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """samples: one of each round, in `unit`. drafting: whether drafts were verified; details may tell how
    many of them were accepted.

    of_ceiling: ceiling -> median / ceiling, where that means something.
    details: further facts in JSON's types, e.g. the length of the prompt.
    """

    name: str
    unit: str
    samples: Sequence[float]
    drafting: bool
    of_ceiling: dict[str, float] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """The middle sample."""
        return statistics.median(self.samples)

    def line(self) -> str:
        """The figure in one line of text."""
        low, high = _number(min(self.samples)), _number(max(self.samples))
        text = f"{self.name}: {_number(self.median)} {self.unit} (min {low}, max {high})"
        shares = [f"{share:.0%} of {ceiling}" for ceiling, share in self.of_ceiling.items()]
        facts = [f"{name.replace('_', ' ')} {_shown(value)}" for name, value in self.details.items()]
        return "; ".join([text, *shares, *facts, f"drafting {'on' if self.drafting else 'off'}"])

    def to_json(self) -> dict[str, Any]:
        """All of it, with median, min and max, ready for JSON."""
        return {
            "name": self.name,
            "unit": self.unit,
            "median": self.median,
            "min": min(self.samples),
            "max": max(self.samples),
            "samples": list(self.samples),
            "drafting": self.drafting,
            "of_ceiling": self.of_ceiling,
            "details": self.details,
        }


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return "/".join(map(_shown, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)
