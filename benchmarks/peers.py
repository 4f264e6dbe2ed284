"""flashstep beside llama.cpp, vLLM and transformers: same checkpoint, same prompts, same machine, in turns.

Each round gives every engine one turn at the same work, one after the other while the rest is stopped; ratios
are taken within a round and their median reported. A turn waits for a quiet moment, and is repeated when
others took more than a tenth of the CPUs meanwhile: of all tries the one with the least foreign load counts,
and that load is stored beside it. Every round is stored at once: a second call goes on where the first ended.
Engines are compared over HTTP (transformers has no server: in its own process). Each engine's first answers
are not counted.

usage: python benchmarks/peers.py --peers FOLDER --out benchmarks/results/peers.json [--model NAME=FOLDER]
           [--work WORK] [--rounds 5] [--threads 2] [--patience 40]
Without --model: the built-in model, and the checkpoints tiny and mid of the peers' folder, where present.
How the folder must look is told in benchmarks/peer_engines.py.
"""

import argparse
import json
import os
import signal
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from foreign_load import ForeignLoad, wait_until_quiet
from peer_engines import Engine, Model, Work, contestants
from peer_report import draw, lines, summary
from provenance import provenance

from flashstep.bench.ceilings import measure_ceilings
from flashstep.bench.prompts import Prompts
from flashstep.bench.work import decode_bytes, prefill_macs
from flashstep.cli.model_path import BUILT_IN
from flashstep.engine.config import usable_cores
from flashstep.errors import FlashstepError
from flashstep.model.config import ModelConfig

WORKS = (
    Work("1 stream", "output", 1, 128, 256),
    Work("32 streams", "output", 32, 128, 256),
    Work("prompt of 4096", "prompt", 1, 4096, 1),
    Work("prompt of 32768", "prompt", 1, 32768, 1),
)


MAX_TRIES = 8
QUIET_S = 3.0  # that a try waits for a quiet moment
MOST_FOREIGN = 0.1  # beside what the measured threads leave free
FAILURES = (RuntimeError, OSError, TimeoutError, ValueError, FlashstepError)


class Results:
    """The file of all rounds: {"model", "work", "round", "rates": {engine: rate}, "foreign": {engine: what
    others took of the CPUs}}."""

    def __init__(self, path: Path, threads: int) -> None:
        """SystemExit when the file holds rounds of another number of threads."""
        self.path = path
        self.data: dict[str, Any] = {"rounds": [], "engines": {}, "missing": {}, "ceilings": {}}
        if path.exists():
            self.data |= json.loads(path.read_text())
        if self.data.setdefault("threads", threads) != threads:
            sys.exit(
                f"{path} has rounds with {self.data['threads']} threads; give --threads or another --out"
            )

    def num_rounds(self, model: Model, work: Work) -> int:
        """Rounds that are stored already."""
        return sum(
            1 for entry in self.data["rounds"] if (entry["model"], entry["work"]) == (model.name, work.name)
        )

    def add_round(self, model: Model, work: Work, turns: dict[str, tuple[float, float]]) -> None:
        """Store one round of one cell: engine -> (rate, foreign load)."""
        rates = {name: rate for name, (rate, _) in turns.items()}
        foreign = {name: round(share, 3) for name, (_, share) in turns.items()}
        number = self.num_rounds(model, work)
        cell = {"model": model.name, "work": work.name, "round": number}
        self.data["rounds"].append(cell | {"rates": rates, "foreign": foreign})
        self.save()

    def note_engines(self, model: Model, work: Work, engines: list[Engine], missing: list[str]) -> None:
        """Store what the engines of a cell are, and why others are not in it."""
        for engine in engines:
            facts = {"precision": engine.precision, "drafting": engine.drafting, "is_ours": engine.is_ours}
            self.data["engines"][engine.label] = facts
        self.data["missing"][f"{model.name}, {work.name}"] = missing
        self.save()

    def save(self) -> None:
        """Write the file, whole or not at all."""
        self.data |= {"benchmark": "peers", **provenance()}
        self.data["summary"] = summary(self.data)
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps(self.data, indent=1) + "\n")
        fresh.replace(self.path)


def measure_ceilings_of(results: Results, model: Model, threads: int) -> None:
    """Keep the best that was ever seen: a busy machine lowers a ceiling, nothing raises it."""
    config = ModelConfig.load(model.folder)
    num_bytes = {name: decode_bytes(config, name) for name in ("int8", "int4")}
    found = measure_ceilings(threads, num_bytes["int8"]).to_json()
    known = results.data["ceilings"].get(model.name, {})
    best = {key: max(value, known.get(key, value)) for key, value in found.items() if value is not None}
    results.data["ceilings"][model.name] = best | {
        **{f"{name}_bytes_per_token": number for name, number in num_bytes.items()},
        "macs_per_prompt_token": prefill_macs(config, 4096) / 4096,
    }
    results.save()


@dataclass
class Cell:
    """One model at one work, with the engines that take part and the reasons why others do not."""

    results: Results
    model: Model
    work: Work
    threads: int
    patience_s: float
    engines: list[Engine] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def run(self, root: Path | None, num_rounds: int) -> None:
        """Measure and store the rounds that are not stored yet."""
        if self._num_stored >= num_rounds:
            return
        print(f"\n{self.model.name}, {self.work.name}", flush=True)
        prompts = Prompts(self.model.folder, seed=self._num_stored)
        try:
            self._start(root, prompts)
            measure_ceilings_of(self.results, self.model, self.threads)
            while self._num_stored < num_rounds:
                self._round(prompts)
        finally:
            for engine in self.engines:
                engine.stop()

    @property
    def _num_stored(self) -> int:
        return self.results.num_rounds(self.model, self.work)

    def _start(self, root: Path | None, prompts: Prompts) -> None:
        """Start and warm up all engines, each paused behind that."""
        engines, self.missing = contestants(root, self.model, self.work, self.threads)
        shortened = min(512, self.work.prompt_tokens)
        warm_up = replace(self.work, prompt_tokens=shortened)
        for engine in engines:
            log = self.results.path.parent / f"peers-{engine.label.replace(' ', '-')}.log"
            self.engines.append(engine)
            try:
                engine.start(log)
                engine.run(warm_up, _fresh(prompts, warm_up))
                engine.pause()
                log.unlink()
            except FAILURES as error:
                self._drop(engine, f"{error} (see {log.name})")
        self.results.note_engines(self.model, self.work, self.engines, self.missing)
        for line in self.missing:
            print(f"  left out: {line}", flush=True)

    def _round(self, prompts: Prompts) -> None:
        """One turn of each engine, in every second round backwards."""
        turns: dict[str, tuple[float, float]] = {}
        # One set a try, since a text that an engine has seen may be in its prefix cache; the same for all.
        tries = [_fresh(prompts, self.work) for _ in range(MAX_TRIES)]
        most_foreign = MOST_FOREIGN + max(0.0, 1 - self.threads / usable_cores())
        for engine in self.engines[:: -1 if self._num_stored % 2 else 1]:
            try:
                turns[engine.label] = _turn(engine, self.work, tries, self.patience_s, most_foreign)
            except FAILURES as error:
                self._drop(engine, f"failed in round {self._num_stored}: {error!r}")
        self.results.note_engines(self.model, self.work, self.engines, self.missing)
        self.results.add_round(self.model, self.work, turns)
        shown = (f"{name} {rate:,.0f} ({share:.0%})" for name, (rate, share) in turns.items())
        print("  " + ", ".join(shown), flush=True)

    def _drop(self, engine: Engine, reason: str) -> None:
        engine.stop()
        self.engines.remove(engine)
        self.missing.append(f"{engine.label}: {reason}")


def _turn(
    engine: Engine, work: Work, prompts: list[list[list[int]]], patience_s: float, most_foreign: float
) -> tuple[float, float]:
    """Rate and foreign load of the quietest of some tries, each with the next prompts."""
    tries: list[tuple[float, float]] = []
    end = time.monotonic() + patience_s
    while not tries or (tries[-1][0] > most_foreign and len(tries) < len(prompts) and time.monotonic() < end):
        wait_until_quiet(QUIET_S, most_foreign)
        fresh = prompts[len(tries)]
        engine.resume()
        load = ForeignLoad(engine.group)
        try:
            rate = engine.run(work, fresh)
        finally:
            share = load.share()
            engine.pause()
        tries.append((share, rate))
    share, rate = min(tries)
    return rate, share


def _fresh(prompts: Prompts, work: Work) -> list[list[int]]:
    return [prompts.next(work.prompt_tokens) for _ in range(work.streams)]


def chosen_models(named: list[str], root: Path | None) -> list[Model]:
    """The models named as NAME=FOLDER, or those that are there."""
    pairs = [name.split("=", 1) for name in named]
    if not pairs:
        pairs = [[BUILT_IN.name, str(BUILT_IN)]]
        pairs += [[name, str(root / f"ckpt/{name}-step3p5")] for name in ("tiny", "mid") if root]
    return [
        Model(name, Path(folder), has_real_drafts=name == BUILT_IN.name)
        for name, folder in pairs
        if Path(folder).is_dir()
    ]


def main() -> None:
    """Measure, report, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", type=Path, default=os.environ.get("FLASHSTEP_PEERS"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", action="append", default=[], help="NAME=FOLDER; repeatable")
    parser.add_argument("--work", action="append", choices=[w.name for w in WORKS], help="repeatable")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--patience", type=float, default=40.0, help="seconds of repeating a disturbed turn")
    parser.add_argument("--report-only", action="store_true", help="measure nothing")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the engines are ended too
    root = Path(args.peers) if args.peers else None
    results = Results(args.out, args.threads)
    if not args.report_only:
        for model in chosen_models(args.model, root):
            for work in WORKS:
                if not args.work or work.name in args.work:
                    Cell(results, model, work, args.threads, args.patience).run(root, args.rounds)
    results.data["summary"] = summary(results.data)
    print("\n".join(lines(results.data["summary"])))
    draw(results.data["summary"], args.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
