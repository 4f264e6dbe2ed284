"""What MTP drafting gains on the built-in model, and what it costs when drafts are never right.

Runs held-out questions, one stream, greedy, in alternation over several rounds: with 0 to 3 drafts in every
step, with the engine's own policy (`adaptive`), and with that policy on a copy of the model whose MTP heads
are damaged (rows shifted by one, so that each draft is a neighbour of the right token). Prints tokens/s
(median, min, max), the acceptance length (tokens per verifying step, bonus included) and the ratio to no
drafting. Answers must be equal in all settings.

usage: python benchmarks/drafting.py [--model FOLDER] [--prompts 40] [--rounds 5] [--threads 1] [--out FILE]
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from provenance import provenance

from flashstep.chat.template import ChatTemplate
from flashstep.chat.tokenizer import Tokenizer
from flashstep.cli.model_path import resolve_model_path
from flashstep.engine.llm import LLM
from flashstep.model.weights import load_model, save_weights
from flashstep.training.evaluation.suites import eval_items
from flashstep.training.tasks.question_families import FAMILIES
from flashstep.types import SamplingParams

GREEDY = SamplingParams(temperature=0.0, max_tokens=256)


def answer_all(llm: LLM, prompts: list[list[int]]) -> tuple[list[list[int]], float]:
    """All answers, one after the other, and tokens per second."""
    started = time.perf_counter()
    answers = [llm.generate([prompt], GREEDY)[0].token_ids for prompt in prompts]
    return answers, sum(map(len, answers)) / (time.perf_counter() - started)


@dataclass(frozen=True)
class Setting:
    """One way to draft."""

    name: str
    num_draft_tokens: int
    is_adaptive: bool = False
    is_damaged: bool = False


SETTINGS = (
    Setting("no drafts", 0),
    Setting("1 draft", 1),
    Setting("2 drafts", 2),
    Setting("3 drafts", 3),
    Setting("adaptive", 3, is_adaptive=True),
    Setting("damaged heads, 3 drafts", 3, is_damaged=True),
    Setting("damaged heads, adaptive", 3, is_adaptive=True, is_damaged=True),
)


def damaged_copy(folder: Path, target: Path) -> Path:
    """The checkpoint with MTP heads that never draft what they mean."""
    shutil.copytree(folder, target)
    model = load_model(folder)
    for module in model.mtp:
        module.head.weight.data = module.head.weight.data.roll(1, dims=0)
    save_weights(model, target)
    return target


def measure(folder: Path, num_prompts: int, rounds: int, threads: int) -> list[dict[str, Any]]:
    """One row of figures per setting."""
    tokenizer = Tokenizer.load(folder)
    template = ChatTemplate.load(folder, tokenizer)
    items = eval_items(tuple(FAMILIES), -(-num_prompts // len(FAMILIES)), seed=1)[:num_prompts]
    prompts = [template.encode(next(item.begin())) for item in items]
    with tempfile.TemporaryDirectory() as scratch:
        damaged = damaged_copy(folder, Path(scratch) / folder.name)
        llms = [
            LLM.load(
                damaged if setting.is_damaged else folder,
                num_draft_tokens=setting.num_draft_tokens, adaptive_drafting=setting.is_adaptive,
                num_threads=threads, num_valid_tokens=tokenizer.vocab_size,
                cache_weights=not setting.is_damaged, prefix_cache=False,
            )
            for setting in SETTINGS
        ]  # fmt: skip
    speeds: list[list[float]] = [[] for _ in llms]
    expected = [answer_all(llm, prompts)[0] for llm in llms][0]  # also warms up
    for _ in range(rounds):
        for llm, speed in zip(llms, speeds, strict=True):
            answers, tokens_per_s = answer_all(llm, prompts)
            assert answers == expected, "drafting changed an answer"
            speed.append(tokens_per_s)
    return [_row(*each, plain=speeds[0]) for each in zip(SETTINGS, llms, speeds, strict=True)]


def _row(setting: Setting, llm: LLM, speed: list[float], plain: list[float]) -> dict[str, Any]:
    metrics = llm.engine.metrics
    llm.close()
    return {
        **asdict(setting),
        "tokens_per_s": {"median": statistics.median(speed), "min": min(speed), "max": max(speed)},
        "ratio_to_no_drafts": statistics.median(a / b for a, b in zip(speed, plain, strict=True)),
        "acceptance_length": metrics.acceptance_length,
        "acceptance_rate_by_position": list(metrics.acceptance_rate_by_position),
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path)
    parser.add_argument("--prompts", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    rows = measure(resolve_model_path(args.model), args.prompts, args.rounds, args.threads)
    for row in rows:
        speed = row["tokens_per_s"]
        print(
            f"{row['name']:24} {speed['median']:6.0f} tokens/s "
            f"({speed['min']:.0f}-{speed['max']:.0f}), acceptance length {row['acceptance_length']:.2f}, "
            f"{row['ratio_to_no_drafts']:.2f}x"
        )
    result = provenance() | {"benchmark": "drafting", "threads": args.threads, "rows": rows}
    print(json.dumps(result))
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
