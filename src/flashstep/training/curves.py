"""The run's own record (metrics.jsonl, a line a step) and its picture (curves.png)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = "metrics.jsonl"


class Record:
    """Appends a line per step; on resume, lines after the resumed step are dropped."""

    def __init__(self, path: Path, first_step: int) -> None:
        self.file = path / FILE
        kept = [json.dumps(row) + "\n" for row in read_record(path) if row["step"] < first_step]
        partial = path / (FILE + ".partial")
        partial.write_text("".join(kept))
        partial.replace(self.file)

    def add(self, row: dict[str, Any]) -> None:
        """Append one step's figures."""
        with self.file.open("a") as f:
            f.write(json.dumps(row) + "\n")


def plot_curves(path: Path) -> None:
    """Draw loss, token accuracies and expert imbalance over trained tokens into curves.png."""
    rows = read_record(path)
    if not rows:
        return
    tokens = [r["tokens"] / 1e6 for r in rows]
    starts = {r["phase"]: t for t, r in reversed(list(zip(tokens, rows, strict=True)))}
    label = "tokens trained on (millions, prompts and padding included)"
    draw(path, tokens, rows, _PANELS, label, starts)


def read_record(path: Path) -> list[dict[str, Any]]:
    """The lines of the record in folder `path`, in order; none when there is no record. A last line that was
    cut, as by a full disk, is none."""
    file = path / FILE
    lines = file.read_text().split("\n")[:-1] if file.exists() else []
    return [json.loads(line) for line in lines]


@dataclass(frozen=True, slots=True)
class Panel:
    """One of the stacked pictures: its axis label, and the keys of the record that it draws."""

    label: str
    keys: tuple[str, ...]
    is_log: bool = False


_PANELS = (
    Panel("cross-entropy (nats)", ("loss",), is_log=True),
    Panel("next-token accuracy", ("accuracy",)),
    Panel("drafts that are right", ("mtp_1_accuracy", "mtp_2_accuracy", "mtp_3_accuracy")),
    Panel("expert load max / mean", ("imbalance",)),
)


def draw(
    path: Path, x: Sequence[float], rows: Sequence[dict[str, Any]], panels: Sequence[Panel], label: str,
    notes: dict[str, float] | None = None,
) -> None:  # fmt: skip
    """Draw the panels over `x`, one number a row, into curves.png of folder `path`. A key that a row lacks
    is a gap. notes: text at places of the x axis."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True)
    for axis, panel in zip(axes, panels, strict=True):
        for number, key in enumerate(panel.keys):
            values = [r.get(key) for r in rows]
            axis.plot(x, values, linewidth=0.4, alpha=0.4, color=f"C{number}")
            axis.plot(x, _smooth(values), linewidth=1.5, color=f"C{number}", label=key)
        if len(panel.keys) > 1:
            axis.legend()
        axis.set_yscale("log" if panel.is_log else "linear")
        axis.set_ylabel(panel.label)
        axis.grid(alpha=0.3)
    axes[-1].set_xlabel(label)
    for text, place in (notes or {}).items():
        axes[0].annotate(text, (place, 1.0), xycoords=("data", "axes fraction"))
    figure.savefig(path / "curves.png", dpi=110)


def _smooth(values: list[float | None], weight: float = 0.95) -> list[float | None]:
    """Exponential moving average that skips gaps."""
    average: float | None = None
    out: list[float | None] = []
    for value in values:
        if value is not None:
            average = value if average is None else weight * average + (1 - weight) * value
        out.append(average if value is not None else None)
    return out
