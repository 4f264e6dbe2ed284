"""The run's own record (metrics.jsonl, a line a step) and its picture (curves.png)."""

import json
from pathlib import Path
from typing import Any

FILE = "metrics.jsonl"


class Record:
    """Appends a line per step; on resume, lines after the resumed step are dropped."""

    def __init__(self, path: Path, first_step: int) -> None:
        self.file = path / FILE
        kept = []
        if self.file.exists():
            kept = [
                line for line in self.file.read_text().splitlines() if json.loads(line)["step"] < first_step
            ]
        self.file.write_text("".join(line + "\n" for line in kept))

    def add(self, row: dict[str, Any]) -> None:
        """Append one step's figures."""
        with self.file.open("a") as f:
            f.write(json.dumps(row) + "\n")


def plot_curves(path: Path) -> None:
    """Draw loss, token accuracy and expert imbalance over trained tokens into curves.png."""
    from matplotlib.figure import Figure

    rows = [json.loads(line) for line in (path / FILE).read_text().splitlines()]
    if not rows:
        return
    figure = Figure(figsize=(9, 9), layout="constrained")
    axes = figure.subplots(3, 1, sharex=True)
    tokens = [r["tokens"] / 1e6 for r in rows]
    for axis, key, label in zip(axes, ("loss", "accuracy", "imbalance"), _LABELS, strict=True):
        axis.plot(tokens, [r.get(key) for r in rows], linewidth=0.4, alpha=0.4)
        axis.plot(tokens, _smooth([r.get(key) for r in rows]), linewidth=1.5)
        axis.set_ylabel(label)
        axis.grid(alpha=0.3)
    axes[0].set_yscale("log")
    axes[-1].set_xlabel("tokens trained on (millions, prompts and padding included)")
    for phase in sorted({r["phase"] for r in rows}):
        start = next(t for t, r in zip(tokens, rows, strict=True) if r["phase"] == phase)
        axes[0].annotate(phase, (start, 1.0), xycoords=("data", "axes fraction"))
    figure.savefig(path / "curves.png", dpi=110)


_LABELS = ("cross-entropy (nats)", "next-token accuracy", "expert load max / mean")


def _smooth(values: list[float | None], weight: float = 0.95) -> list[float | None]:
    """Exponential moving average that skips gaps."""
    average: float | None = None
    out: list[float | None] = []
    for value in values:
        if value is not None:
            average = value if average is None else weight * average + (1 - weight) * value
        out.append(average if value is not None else None)
    return out
