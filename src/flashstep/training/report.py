"""The report of a training run: a table of its phases, made of the run's own record."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

from flashstep.training.curves import read_record

FILE = "report.md"
_NUM_LAST = 20  # a single step's loss says little
_HEADS = ("phase", "steps", "tokens", "hours", "tokens/s", "loss", "accuracy", "drafts right", "expert load")


def write_report(path: Path) -> None:
    """Write report.md into the run's folder: for each phase its size, time and where it ended."""
    phases: dict[str, list[dict[str, Any]]] = {}
    for row in read_record(path):
        phases.setdefault(row["phase"], []).append(row)
    lines, tokens_before = [_line(_HEADS), _line("---" for _ in _HEADS)], 0
    for name, rows in phases.items():
        lines.append(_line(_cells(name, rows, rows[-1]["tokens"] - tokens_before)))
        tokens_before = rows[-1]["tokens"]
    (path / FILE).write_text("\n".join([*lines, "", _LEGEND, ""]), encoding="utf-8")


_LEGEND = (
    "Tokens include prompts and padding. Loss, accuracy (of the next token), drafts right (first, second, "
    f"third) and expert load (most loaded / mean) are means of the last {_NUM_LAST} steps of a phase."
)


def _cells(name: str, rows: Sequence[dict[str, Any]], num_tokens: int) -> list[str]:
    speed = median(row["tokens_per_s"] for row in rows)
    hours = sum(row.get("seconds", 0.0) for row in rows) / 3600 or num_tokens / speed / 3600
    drafts = [_last(rows, f"mtp_{k}_accuracy", "{:.3f}") for k in (1, 2, 3)]
    return [
        name, str(len(rows)), f"{num_tokens / 1e6:.1f}M", f"{hours:.2f}", f"{speed:.0f}",
        _last(rows, "loss", "{:.4f}"), _last(rows, "accuracy", "{:.4f}"),
        " ".join(draft for draft in drafts if draft), _last(rows, "imbalance", "{:.2f}"),
    ]  # fmt: skip


def _last(rows: Sequence[dict[str, Any]], key: str, form: str) -> str:
    values = [row[key] for row in rows[-_NUM_LAST:] if row.get(key) is not None]
    return form.format(fmean(values)) if values else ""


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
