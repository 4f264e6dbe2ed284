"""Measures what was asked for: ceilings first, then mode after mode, and all of it as one JSON object."""

import datetime
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from flashstep.bench.ceilings import Ceilings, measure_ceilings
from flashstep.bench.context import measure_context
from flashstep.bench.figure import Figure
from flashstep.bench.http_server import measure_server
from flashstep.bench.machine import machine_facts
from flashstep.bench.offline import Offline
from flashstep.bench.products import measure_products
from flashstep.bench.prompts import Prompts
from flashstep.bench.settings import Mode, Settings
from flashstep.bench.work import decode_bytes
from flashstep.engine.llm import LLM


def ceilings_of(settings: Settings) -> Ceilings:
    """The machine's ceilings for this model's weights and the engine's threads."""
    num_bytes = decode_bytes(settings.model, settings.engine.weight_format)
    return measure_ceilings(settings.sizes.num_threads, num_bytes)


def measure(
    settings: Settings, modes: tuple[Mode, ...], ceilings: Ceilings, report: Callable[[str], None]
) -> Iterator[Figure]:
    """The figures of each mode as they come; `report` is called with a short line before each slow part."""
    if {"latency", "throughput", "prefill", "server"} & set(modes):
        yield from _measure_engine(settings, modes, ceilings, report)
    if "latency" in modes:
        report("measuring loading")
        yield _measure_loading(settings)
    if "context" in modes:
        report("measuring context")
        yield from measure_context(settings)


def _measure_engine(
    settings: Settings, modes: tuple[Mode, ...], ceilings: Ceilings, report: Callable[[str], None]
) -> Iterator[Figure]:
    prompts = Prompts(settings.folder)
    options = asdict(settings.engine)
    with LLM.load(
        settings.folder, num_valid_tokens=prompts.num_valid_tokens, on_progress=report, **options
    ) as llm:
        offline = Offline(settings, llm, prompts, ceilings)
        measured: dict[Mode, Callable[[], list[Figure]]] = {
            "latency": offline.latency,
            "throughput": offline.throughput,
            "prefill": lambda: [*offline.prefill(), *_products(settings, ceilings)],
            "server": lambda: measure_server(settings, offline, prompts),
        }
        for mode in measured:
            if mode in modes:
                report(f"measuring {mode}")
                yield from measured[mode]()


def _measure_loading(settings: Settings) -> Figure:
    """From a checkpoint to an engine, weights packed and kernels compiled before."""
    samples = []
    for _ in range(settings.load.rounds):
        start = time.perf_counter()
        LLM.load(settings.folder, **asdict(settings.engine)).close()
        samples.append(1e3 * (time.perf_counter() - start))
    return Figure(name="loading", unit="ms", samples=samples, drafting=False)


def _products(settings: Settings, ceilings: Ceilings) -> list[Figure]:
    """Of the compiled kernels; PyTorch's products are not ours to measure."""
    return measure_products(settings, ceilings) if settings.engine.runner == "cpu" else []


def result(settings: Settings, ceilings: Ceilings, figures: list[Figure]) -> dict[str, Any]:
    """Everything that a reader of the figures must know, ready for JSON."""
    now = datetime.datetime.now(datetime.UTC)
    return {
        "date": now.date().isoformat(),
        "flashstep": version("flashstep"),
        **machine_facts(),
        "model": settings.folder.resolve().name,
        "engine": asdict(settings.engine) | asdict(settings.sizes),
        "load": asdict(settings.load),
        "ceilings": ceilings.to_json(),
        "figures": [figure.to_json() for figure in figures],
    }
