"""What MTP drafting gains, and that it never loses: requests of the built-in model in batches of 1 to 8,
with its own MTP heads and with damaged ones whose drafts are nearly never kept.

Each batch of held-out questions (greedy) runs without drafts, with three drafts always, and with as many as
the engine finds to pay, in alternation, several rounds. Answers must be equal in all settings. Figures are
ratios to no drafts: of tokens per second, and of each request's own time (medians over the rounds), of which
the lowest is reported. "none again" is a second engine without drafts: what noise does to the same figures.

usage: python benchmarks/drafting.py [--model FOLDER] [--prompts 24] [--rounds 5] [--out FILE]
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from provenance import provenance

from flashstep.chat.template import ChatTemplate
from flashstep.chat.tokenizer import Tokenizer
from flashstep.cli.model_path import resolve_model_path
from flashstep.engine.llm import LLM
from flashstep.training.evaluation import eval_examples
from flashstep.training.tasks.registry import FAMILIES
from flashstep.types import Message, SamplingParams

GREEDY = SamplingParams(temperature=0.0, max_tokens=256)
SETTINGS: dict[str, dict[str, Any]] = {
    "none": {"num_draft_tokens": 0},
    "none again": {"num_draft_tokens": 0},
    "always 3": {"num_draft_tokens": 3, "adaptive_drafts": False},
    "adaptive": {"num_draft_tokens": 3},
}
BATCHES = (1, 2, 4, 8)


def damaged_copy(folder: Path, to: Path) -> Path:
    """The checkpoint with the numbers of its MTP projections shuffled."""
    shutil.copytree(folder, to)
    path = to / "model.safetensors"
    data = bytearray(path.read_bytes())
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    rng, count = np.random.default_rng(0), 0
    for name, entry in header.items():
        if name.endswith("eh_proj.weight"):
            begin, end = (8 + length + at for at in entry["data_offsets"])
            size = (end - begin) // int(np.prod(entry["shape"]))
            numbers = np.frombuffer(bytes(data[begin:end]), np.dtype(f"V{size}"))
            data[begin:end] = numbers[rng.permutation(len(numbers))].tobytes()
            count += 1
    assert count, "no MTP projection in this checkpoint"
    path.write_bytes(data)
    return to


def answer_all(llm: LLM, prompts: list[list[int]], batch: int) -> tuple[list[list[int]], list[float], float]:
    """All answers, the seconds of each request, and the seconds of all."""
    answers: list[list[int]] = []
    seconds: list[float] = []
    started = time.perf_counter()
    for first in range(0, len(prompts), batch):
        for completion in llm.generate(prompts[first : first + batch], GREEDY):
            answers.append(completion.token_ids)
            seconds.append(completion.timings.finished_s or 0.0)
    return answers, seconds, time.perf_counter() - started


def measure(folder: Path, prompts: list[list[int]], rounds: int, **options: Any) -> list[dict[str, Any]]:
    """One row of figures per batch size and setting."""
    llms = {name: LLM.load(folder, **setting, **options) for name, setting in SETTINGS.items()}
    rows = [row for batch in BATCHES for row in measure_batch(llms, prompts, batch, rounds)]
    for llm in llms.values():
        llm.close()
    return rows


def measure_batch(
    llms: dict[str, LLM], prompts: list[list[int]], batch: int, rounds: int
) -> list[dict[str, Any]]:
    """One row of figures per setting."""
    expected = [answer_all(llm, prompts, batch)[0] for llm in llms.values()][0]  # also warms up
    before = {name: _counts(llm) for name, llm in llms.items()}
    totals: dict[str, list[float]] = {name: [] for name in llms}
    each: dict[str, list[list[float]]] = {name: [] for name in llms}
    for _ in range(rounds):
        for name, llm in llms.items():
            answers, seconds, total = answer_all(llm, prompts, batch)
            assert answers == expected, "drafting changed an answer"
            totals[name].append(total)
            each[name].append(seconds)
    rows = []
    for name, llm in llms.items():
        steps, drafting, verified, accepted = _counts(llm) - before[name]
        pairs = zip(totals["none"], totals[name], strict=True)
        requests = np.median(each["none"], axis=0) / np.median(each[name], axis=0)
        rows.append({
            "batch": batch,
            "setting": name,
            "tokens_per_s": sum(map(len, expected)) / statistics.median(totals[name]),
            "ratio_to_none": statistics.median(none / own for none, own in pairs),
            "lowest_ratio_of_a_request": float(requests.min()),
            "acceptance_length": 1 + accepted / max(1, verified),
            "share_of_steps_that_draft": drafting / steps,
        })  # fmt: skip
    return rows


def _counts(llm: LLM) -> np.ndarray:
    m = llm.engine.metrics
    drafting = sum(m.num_steps_by_drafts[1:])
    return np.array([m.num_steps, drafting, m.num_verifications, sum(m.num_accepted_by_position)])


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path)
    parser.add_argument("--prompts", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    folder = resolve_model_path(args.model)
    tokenizer = Tokenizer.load(folder)
    template = ChatTemplate.load(folder, tokenizer)
    examples = eval_examples(tuple(FAMILIES), -(-args.prompts // len(FAMILIES)), seed=1)[: args.prompts]
    prompts = [template.encode([Message("user", e.question)]) for e in examples]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for heads, path in (("own", folder), ("damaged", damaged_copy(folder, Path(scratch) / "damaged"))):
            for threads in args.threads:
                options = {"num_threads": threads, "num_valid_tokens": tokenizer.vocab_size}
                for row in measure(path, prompts, args.rounds, **options):
                    rows.append({"heads": heads, "threads": threads} | row)
                    report(rows[-1])
    result = provenance() | {"benchmark": "drafting", "prompts": args.prompts, "rounds": args.rounds}
    result["rows"] = rows
    print(json.dumps(result))
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")


def report(row: dict[str, Any]) -> None:
    """One line."""
    print(
        f"{row['heads']:8} {row['threads']} threads, batch {row['batch']}, {row['setting']:10}: "
        f"{row['ratio_to_none']:.2f}x ({row['tokens_per_s']:.0f} tokens/s), slowest request "
        f"{row['lowest_ratio_of_a_request']:.2f}x, acceptance length {row['acceptance_length']:.2f}, "
        f"drafting in {row['share_of_steps_that_draft']:.0%} of steps",
        flush=True,
    )


if __name__ == "__main__":
    main()
