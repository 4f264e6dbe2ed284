"""An evaluation as a picture: accuracy of each family, and against the length of its reasoning."""

from pathlib import Path

from flashstep.errors import ConfigError, how_to_install
from flashstep.training.evaluation.report import Report


def check_drawable(path: Path) -> None:
    """ConfigError when `draw` could not: matplotlib is missing, or knows no such suffix."""
    try:
        from matplotlib.backend_bases import FigureCanvasBase
    except ImportError:
        raise ConfigError(f"a picture needs matplotlib; {how_to_install('train')}") from None
    suffixes = sorted(FigureCanvasBase.get_supported_filetypes())
    if path.suffix.lower().removeprefix(".") not in ("", *suffixes):
        raise ConfigError(f"{path}: no picture can end in {path.suffix}; choose one of {', '.join(suffixes)}")


def draw(report: Report, path: Path, asked: str = "held-out questions") -> None:
    """Write a PNG (or what the suffix of `path` says) about what was `asked`. ConfigError where
    `check_drawable` raises it."""
    check_drawable(path)
    from matplotlib.figure import Figure

    results = report.results
    figure = Figure(figsize=(11, 1.5 + 0.22 * len(results)), layout="constrained")
    bars, points = figure.subplots(1, 2, width_ratios=(3, 2))
    accuracies = [100 * result.accuracy for result in results.values()]
    bars.barh(list(results), accuracies, color=["tab:blue" if a >= 90 else "tab:orange" for a in accuracies])
    bars.invert_yaxis()
    bars.margins(y=0.01)
    bars.set_xlim(0, 100)
    bars.set_xlabel(f"right answers to {asked}, % (orange: below 90)")
    bars.grid(axis="x", alpha=0.3)
    for result in results.values():
        lengths = [tokens for tokens, _ in result.by_length]
        points.plot(
            lengths, [100 * right for _, right in result.by_length], color="tab:gray", alpha=0.4, lw=0.8
        )
    points.scatter([result.mean_reasoning_tokens for result in results.values()], accuracies, s=14)
    points.set_ylim(-3, 103)
    points.set_xlabel(
        "length of the reasoning, tokens\n(points: means of families; lines: thirds\n"
        "of each, from the shortest to the longest)"
    )
    points.set_ylabel("right answers, %")
    points.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
