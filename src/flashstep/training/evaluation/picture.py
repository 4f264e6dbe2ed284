"""An evaluation as a picture: accuracy of each family, and against the length of its reasoning."""

from pathlib import Path

from flashstep.errors import ConfigError
from flashstep.training.evaluation.report import Report


def draw(report: Report, path: Path) -> None:
    """Write a PNG (or what the suffix of `path` says). ConfigError when matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError("a picture needs matplotlib; run: pip install 'flashstep[train]'") from None
    results = report.results
    figure = Figure(figsize=(11, 1.5 + 0.22 * len(results)), layout="constrained")
    bars, points = figure.subplots(1, 2, width_ratios=(3, 2))
    accuracies = [100 * result.accuracy for result in results.values()]
    bars.barh(list(results), accuracies, color=["tab:blue" if a >= 90 else "tab:orange" for a in accuracies])
    bars.invert_yaxis()
    bars.margins(y=0.01)
    bars.set_xlim(0, 100)
    bars.set_xlabel("right answers to held-out questions, % (orange: below 90)")
    bars.grid(axis="x", alpha=0.3)
    points.scatter([result.mean_reasoning_tokens for result in results.values()], accuracies, s=14)
    points.set_ylim(-3, 103)
    points.set_xlabel("mean length of the reasoning, tokens")
    points.set_ylabel("right answers, %")
    points.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
