"""What the turns of benchmarks/peers.py say: medians, ratios within rounds, shares of a ceiling, a chart."""

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def summary(data: dict[str, Any]) -> list[dict[str, Any]]:
    """One entry for each model and work: rates, and ours over each peer (same drafting, any precision).

    A ratio is {"ours", "peer", "drafting": [ours, peer], "median", "min", "max", "rounds"}; it compares an
    engine that drafts with peers that draft where there are any, else with those that do not.
    """
    cells: dict[tuple[str, str], list[dict[str, float]]] = {}
    for entry in data["rounds"]:
        cells.setdefault((entry["model"], entry["work"]), []).append(entry["rates"])
    return [
        {
            "model": model,
            "work": work,
            "rates": {name: _spread([r[name] for r in rounds if name in r]) for name in _names(rounds)},
            "ratios": list(_ratios(rounds, data["engines"])),
            "of_ceiling": _of_ceiling(work, rounds, data["ceilings"].get(model)),
            "missing": data["missing"].get(f"{model}, {work}", []),
        }
        for (model, work), rounds in cells.items()
    ]


def lines(cells: list[dict[str, Any]]) -> Iterator[str]:
    """The summary as a text table."""
    for cell in cells:
        yield f"\n{cell['model']}, {cell['work']}"
        for name, rate in cell["rates"].items():
            share = cell["of_ceiling"].get(name)
            note = f"  {share['share']:.0%} of {share['ceiling']}" if share else ""
            yield f"  {name:26} {rate['median']:9,.1f} tokens/s ({rate['min']:,.1f}-{rate['max']:,.1f}){note}"
        for ratio in cell["ratios"]:
            drafting = "/".join("on" if d else "off" for d in ratio["drafting"])
            yield (
                f"    {ratio['ours']} / {ratio['peer']}: {ratio['median']:.2f}x "
                f"({ratio['min']:.2f}-{ratio['max']:.2f}, {ratio['rounds']} rounds, "
                f"drafts allowed {drafting})"
            )
        for reason in cell["missing"]:
            yield f"    left out: {reason}"


def draw(cells: list[dict[str, Any]], path: Path) -> None:
    """Bars of ours over each peer (green, red where it is slower) and over the ceiling (orange), a panel a
    model, on a logarithmic axis with a line at equal speed."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    models = list(dict.fromkeys(cell["model"] for cell in cells))
    figure, panels = plt.subplots(1, max(1, len(models)), figsize=(6 * max(1, len(models)), 7), squeeze=False)
    for panel, model in zip(panels[0], models, strict=False):
        bars = [
            (f"{cell['work']}: {ratio['ours'].removeprefix('flashstep ')} / {ratio['peer']}", ratio)
            for cell in cells
            if cell["model"] == model
            for ratio in [*cell["ratios"], *_shares(cell)]
        ]
        medians = [ratio["median"] for _, ratio in bars]
        errors = [
            [ratio["median"] - ratio["min"] for _, ratio in bars],
            [ratio["max"] - ratio["median"] for _, ratio in bars],
        ]
        colours = [_colour(ratio) for _, ratio in bars]
        panel.barh(range(len(bars)), medians, xerr=errors, color=colours, ecolor="black", capsize=2)
        panel.set_yticks(range(len(bars)), [name for name, _ in bars], fontsize=7)
        panel.invert_yaxis()
        panel.set_xscale("log")
        panel.xaxis.set_major_formatter("{x:g}x")
        panel.xaxis.set_minor_formatter("")
        panel.axvline(1.0, color="black", linewidth=1)
        panel.set_xlabel("flashstep / peer, or / ceiling (median, min and max of rounds)")
        panel.set_title(model)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _shares(cell: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Shares of a ceiling in the form of ratios."""
    for name, found in cell["of_ceiling"].items():
        spread = dict.fromkeys(("median", "min", "max"), found["share"])
        yield {"ours": name, "peer": found["ceiling"], "is_ceiling": True, **spread}


def _colour(ratio: dict[str, Any]) -> str:
    if "is_ceiling" in ratio:
        return "tab:orange"
    return "tab:green" if ratio["median"] >= 1 else "tab:red"


def _names(rounds: list[dict[str, float]]) -> list[str]:
    return list(dict.fromkeys(name for rates in rounds for name in rates))


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def _ratios(rounds: list[dict[str, float]], engines: dict[str, Any]) -> Iterator[dict[str, Any]]:
    names = _names(rounds)
    peers = [name for name in names if not engines[name]["is_ours"]]
    for ours in (name for name in names if engines[name]["is_ours"]):
        for peer in peers:
            if engines[peer]["drafting"] and not engines[ours]["drafting"]:
                continue
            values = [rates[ours] / rates[peer] for rates in rounds if ours in rates and peer in rates]
            if values:
                drafting = [engines[ours]["drafting"], engines[peer]["drafting"]]
                yield {
                    "ours": ours,
                    "peer": peer,
                    "drafting": drafting,
                    "rounds": len(values),
                    **_spread(values),
                }


def _of_ceiling(work: str, rounds: list[dict[str, float]], ceilings: dict[str, Any] | None) -> dict[str, Any]:
    """Our engines without drafting: bytes read over bandwidth, or multiply-adds over the int8 peak. A
    lower bound: the whole request counts, with HTTP, attention and (of one stream) the prompt."""
    if ceilings is None or work == "32 streams":
        return {}
    shares = {}
    for weight_format in ("int8", "int4"):
        name = f"flashstep {weight_format}"
        values = [rates[name] for rates in rounds if name in rates]
        per_token = f"{weight_format}_bytes_per_token"  # results of before 2026-12 have int8's alone
        if not values:
            continue
        rate = statistics.median(values)
        if work == "1 stream" and per_token in ceilings:
            share = rate * ceilings[per_token] / ceilings["memory_bytes_per_s"]
            shares[name] = {"share": share, "ceiling": "memory bandwidth"}
        elif work != "1 stream" and "int8_macs_per_s" in ceilings:
            tiles = ceilings.get("tile_macs_per_s", 0.0)  # results of before AMX was used have none
            share = rate * ceilings["macs_per_prompt_token"] / (tiles or ceilings["int8_macs_per_s"])
            shares[name] = {"share": share, "ceiling": "int8 peak of tiles" if tiles else "int8 peak"}
    return shares
