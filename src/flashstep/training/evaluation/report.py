"""What came of an evaluation: figures for each family, and every wrong answer."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from statistics import fmean
from typing import Any

from rich.table import Table

from flashstep.training.tasks.outside import is_refusal
from flashstep.training.tasks.tools.judge import NO_TOOL


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
    got a refusal instead of an answer. by_length: mean tokens of reasoning and accuracy of the third of the
    items that reasoned least, of the next and of the last; empty of fewer than 30 items."""

    accuracy: float
    n: int
    mean_reasoning_tokens: float
    sound_traces: float | None = None
    false_refusals: float = 0.0
    by_length: Sequence[tuple[float, float]] = ()


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

    @property
    def mean(self) -> FamilyResult:
        """The figures over all rows, each with the same weight; of traces, the share of all right answers
        that were checked. Further rows of a family ("letters@13-16") are left out."""
        rows = [result for label, result in self.results.items() if not self._is_further(label)]
        checked = [(r.sound_traces, r.accuracy * r.n) for r in rows if r.sound_traces is not None]
        num_right = sum(number for _, number in checked)
        return FamilyResult(
            accuracy=fmean(r.accuracy for r in rows),
            n=sum(r.n for r in rows),
            mean_reasoning_tokens=fmean(r.mean_reasoning_tokens for r in rows),
            sound_traces=sum(share * number for share, number in checked) / num_right if num_right else None,
            false_refusals=fmean(r.false_refusals for r in rows),
        )

    def _is_further(self, label: str) -> bool:
        family, at, _ = label.partition("@")
        return bool(at) and family in self.results

    def to_json(self) -> dict[str, dict[str, Any]]:
        """{family: {"accuracy": x, "n": n, "mean_reasoning_tokens": t, "sound_traces": s,
        "false_refusals": r, "by_length": [[t, x], ...]}}."""
        return {family: asdict(result) for family, result in self.results.items()}

    def table(self, asked: str = "held-out questions") -> Table:
        """The figures for a terminal. asked: what they are about."""
        title = f"Right answers to {asked}; reasoning in tokens"
        table = Table(title=title, title_justify="left")
        table.add_column("family", no_wrap=True)  # all columns fit into 80 characters
        for heading in ("right", "asked", "accuracy", "reasoning", "sound", "refused"):
            table.add_column(heading, justify="right")
        rows = [*self.results.items(), *([("mean", self.mean)] if len(self.results) > 1 else [])]
        for family, result in rows:
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
        false_refusals=fmean(o.failure is not None and _is_false_refusal(o.failure) for o in outcomes),
        by_length=_by_length(outcomes),
    )


def _by_length(outcomes: list[Outcome]) -> list[tuple[float, float]]:
    """Of three groups as large as each other, by length: mean tokens and accuracy."""
    if len(outcomes) < 30:
        return []
    ordered = sorted(outcomes, key=lambda outcome: outcome.reasoning_tokens)
    cuts = [len(ordered) * i // 3 for i in range(4)]
    thirds = [ordered[start:end] for start, end in pairwise(cuts)]
    return [(fmean(o.reasoning_tokens for o in t), fmean(o.failure is None for o in t)) for t in thirds]


def _is_false_refusal(failure: Failure) -> bool:
    """The answer refuses, as no right one would."""
    refuses_call = NO_TOOL in failure.answer and NO_TOOL not in failure.expected
    return is_refusal(failure.answer) or refuses_call
