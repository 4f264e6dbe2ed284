"""What came of an evaluation: figures for each family, and every wrong answer."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from rich.table import Table

from flashstep.training.tasks.outside import is_refusal


@dataclass(frozen=True, slots=True)
class Failure:
    """A wrong answer, with what a right one looks like. question: what the user said last."""

    family: str
    question: str
    reasoning: str
    answer: str
    expected: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one item ended. failure: None = right. has_sound_trace: does the reasoning of a right answer lead
    to it? None = nobody can tell, or the answer is wrong."""

    family: str
    reasoning_tokens: int
    failure: Failure | None = None
    has_sound_trace: bool | None = None


@dataclass(frozen=True, slots=True)
class FamilyResult:
    """One family's figures: accuracy in [0, 1] over `n` items, reasoning length in tokens, the share of right
    answers whose reasoning leads to them (None = no checker, or none right), and the share of all items that
    got a refusal instead of an answer."""

    accuracy: float
    n: int
    mean_reasoning_tokens: float
    sound_traces: float | None = None
    false_refusals: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """All families' figures, in the order asked for, and all wrong answers."""

    results: dict[str, FamilyResult]
    failures: tuple[Failure, ...]

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> "Report":
        """The figures of these outcomes."""
        families: dict[str, list[Outcome]] = {}
        for outcome in outcomes:
            families.setdefault(outcome.family, []).append(outcome)
        failures = (outcome.failure for group in families.values() for outcome in group)
        return cls(
            {family: _result(group) for family, group in families.items()},
            tuple(failure for failure in failures if failure is not None),
        )

    def to_json(self) -> dict[str, dict[str, Any]]:
        """{family: {"accuracy": x, "n": n, "mean_reasoning_tokens": t, "sound_traces": s,
        "false_refusals": r}}."""
        return {family: asdict(result) for family, result in self.results.items()}

    def table(self, asked: str = "held-out questions") -> Table:
        """The figures for a terminal. asked: what they are about."""
        title = f"Right answers to {asked}; reasoning in tokens"
        table = Table(title=title, title_justify="left")
        table.add_column("family", no_wrap=True)  # all columns fit into 80 characters
        for heading in ("right", "asked", "accuracy", "reasoning", "sound", "refused"):
            table.add_column(heading, justify="right")
        for family, result in self.results.items():
            table.add_row(
                family,
                str(round(result.accuracy * result.n)),
                str(result.n),
                f"{result.accuracy:.1%}",
                f"{result.mean_reasoning_tokens:.1f}",
                "-" if result.sound_traces is None else f"{result.sound_traces:.1%}",
                f"{result.false_refusals:.1%}",
            )
        return table


def _result(outcomes: list[Outcome]) -> FamilyResult:
    checked = [o.has_sound_trace for o in outcomes if o.has_sound_trace is not None]
    return FamilyResult(
        accuracy=fmean(outcome.failure is None for outcome in outcomes),
        n=len(outcomes),
        mean_reasoning_tokens=fmean(outcome.reasoning_tokens for outcome in outcomes),
        sound_traces=fmean(checked) if checked else None,
        false_refusals=fmean(o.failure is not None and is_refusal(o.failure.answer) for o in outcomes),
    )
