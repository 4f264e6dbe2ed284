"""What the committed results say about the speeds that flashstep set itself, as a Markdown table.

A column for each file of benchmarks/peers.py, a row for each target: the ratio of ours over the best peer
that the target names, a median of rounds, and whether it is reached. A file that did not measure a row leaves
it empty.

usage: python benchmarks/targets.py [--out benchmarks/results/targets.md]
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PREFACE = """\
# Speed against targets

Written by `python benchmarks/targets.py`. Ours over the best peer that has part in the file, median of
rounds; bold = reached. Where drafts are allowed, ours makes none if they do not pay on that CPU. Shares of a
ceiling count the whole request, with HTTP and attention; those of one stream the prompt, too.

"""
RESULTS = Path(__file__).parent / "results"
BUILT_IN = "flashstep-nano"


@dataclass(frozen=True)
class Target:
    """`least` that ours, over every peer that `is_rival`, is to reach in one work with one model; with
    `is_share` what it is to reach of a ceiling. Peers that draft are in no ratio of ours without drafts."""

    text: str
    model: str
    work: str
    ours: str
    least: float
    is_rival: Callable[[str], bool] = lambda name: True
    is_share: bool = False

    def value(self, cells: list[dict[str, Any]]) -> float | None:
        """What a file says of it; None = nothing."""
        for cell in cells:
            if (cell["model"], cell["work"]) != (self.model, self.work):
                continue
            if self.is_share:
                found = cell["of_ceiling"].get(self.ours)
                return found["share"] if found else None
            ratios = [
                r["median"] for r in cell["ratios"] if r["ours"] == self.ours and self.is_rival(r["peer"])
            ]
            return min(ratios, default=None)
        return None


def _drafts(name: str) -> bool:
    return name.endswith("+ MTP")


def _has_8_bits(name: str) -> bool:
    return "q8_0" in name


def _has_4_bits(name: str) -> bool:
    return "q4_" in name


INT8, INT4 = "flashstep int8", "flashstep int4"
TARGETS = (
    Target(
        "1 stream, built-in, drafts allowed on both sides",
        BUILT_IN,
        "1 stream",
        f"{INT8} + MTP",
        4.0,
        _drafts,
    ),
    Target("1 stream, built-in, 8 bits, no drafts", BUILT_IN, "1 stream", INT8, 2.0, _has_8_bits),
    Target("1 stream, 93M, 8 bits", "tiny", "1 stream", INT8, 1.3, _has_8_bits),
    Target("32 streams, built-in", BUILT_IN, "32 streams", INT8, 2.0),
    Target("32 streams, 93M", "tiny", "32 streams", INT8, 2.0),
    Target("prompt of 4096, 93M", "tiny", "prompt of 4096", INT8, 1.5),
    Target("1 stream, 1B, 8 bits", "mid", "1 stream", INT8, 1.3, _has_8_bits),
    Target("1 stream, 1B, 4 bits", "mid", "1 stream", INT4, 1.3, _has_4_bits),
    Target("1 stream, 93M, of memory bandwidth", "tiny", "1 stream", INT8, 0.7, is_share=True),
    Target("1 stream, 1B, 8 bits, of memory bandwidth", "mid", "1 stream", INT8, 0.8, is_share=True),
    Target("1 stream, 1B, 4 bits, of memory bandwidth", "mid", "1 stream", INT4, 0.8, is_share=True),
    Target("prompt of 4096, 93M, of the 8-bit peak", "tiny", "prompt of 4096", INT8, 0.5, is_share=True),
)


def table(files: dict[str, dict[str, Any]]) -> str:
    """The Markdown table of these results, by name."""
    names = list(files)
    rows = [["target", "at least", *names], ["---"] * (2 + len(names))]
    cpus = [f"{data['cpu']}, {data['date']}, {_commit(data)}" for data in files.values()]
    rows.append(["(CPU, date, commit)", "", *cpus])
    for target in TARGETS:
        values = [target.value(data["summary"]) for data in files.values()]
        rows.append([target.text, _shown(target.least, target), *(_judged(v, target) for v in values)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _commit(data: dict[str, Any]) -> str:
    """The commit, + where the checkout had changes."""
    return data["commit"][:7] + "+" * ("+changes" in data["commit"])


def _shown(value: float, target: Target) -> str:
    return f"{value:.0%}" if target.is_share else f"{value:.2f}x"


def _judged(value: float | None, target: Target) -> str:
    if value is None:
        return ""
    text = _shown(value, target)
    if target.is_share and value > 1:
        return f"{text} (above the ceiling that was measured)"
    return f"**{text}**" if value >= target.least else f"{text} (missed)"


def main() -> None:
    """Read, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    files = {path.stem: json.loads(path.read_text()) for path in sorted(args.results.glob("peers-*.json"))}
    newest_first = dict(sorted(files.items(), key=lambda pair: pair[1]["date"], reverse=True))
    text = PREFACE + table(newest_first)
    print(text)
    if args.out:
        args.out.write_text(text)


if __name__ == "__main__":
    main()
