"""What MTP drafting gains on the built-in model: one stream, held-out questions, greedy.

Runs the same prompts with 0 to 3 drafts in alternation, several rounds: tokens/s (median, min, max), the
acceptance length (tokens per verifying step, bonus included) and the ratio to no drafting. Answers must
be equal in all settings.

usage: python benchmarks/drafting.py [--model FOLDER] [--prompts 40] [--rounds 5] [--threads 1] [--out FILE]
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

from provenance import provenance

from flashstep.chat.template import ChatTemplate
from flashstep.chat.tokenizer import Tokenizer
from flashstep.cli.model_path import resolve_model_path
from flashstep.engine.llm import LLM
from flashstep.training.evaluation.suites import eval_items
from flashstep.training.tasks.registry import FAMILIES
from flashstep.types import SamplingParams

GREEDY = SamplingParams(temperature=0.0, max_tokens=256)


def answer_all(llm: LLM, prompts: list[list[int]]) -> tuple[list[list[int]], float]:
    """All answers, one after the other, and tokens per second."""
    started = time.perf_counter()
    answers = [llm.generate([prompt], GREEDY)[0].token_ids for prompt in prompts]
    return answers, sum(map(len, answers)) / (time.perf_counter() - started)


def measure(folder: Path, num_prompts: int, rounds: int, threads: int) -> list[dict[str, Any]]:
    """One row of figures per number of drafts."""
    tokenizer = Tokenizer.load(folder)
    template = ChatTemplate.load(folder, tokenizer)
    items = eval_items(tuple(FAMILIES), -(-num_prompts // len(FAMILIES)), seed=1)[:num_prompts]
    prompts = [template.encode(next(item.begin())) for item in items]
    options = {"num_threads": threads, "num_valid_tokens": tokenizer.vocab_size}
    llms = [LLM.load(folder, num_draft_tokens=k, **options) for k in range(4)]
    speeds: list[list[float]] = [[] for _ in llms]
    expected = [answer_all(llm, prompts)[0] for llm in llms][0]  # also warms up
    for _ in range(rounds):
        for llm, speed in zip(llms, speeds, strict=True):
            answers, tokens_per_s = answer_all(llm, prompts)
            assert answers == expected, "drafting changed an answer"
            speed.append(tokens_per_s)
    rows = [_row(llm, k, speed) for k, (llm, speed) in enumerate(zip(llms, speeds, strict=True))]
    for row in rows:
        row["ratio_to_no_drafts"] = row["tokens_per_s"]["median"] / rows[0]["tokens_per_s"]["median"]
    return rows


def _row(llm: LLM, num_drafts: int, speed: list[float]) -> dict[str, Any]:
    metrics = llm.engine.metrics
    llm.close()
    return {
        "num_draft_tokens": num_drafts,
        "tokens_per_s": {"median": statistics.median(speed), "min": min(speed), "max": max(speed)},
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
            f"{row['num_draft_tokens']} drafts: {speed['median']:6.0f} tokens/s "
            f"({speed['min']:.0f}-{speed['max']:.0f}), acceptance length {row['acceptance_length']:.2f}, "
            f"{row['ratio_to_no_drafts']:.2f}x"
        )
    result = provenance() | {"benchmark": "drafting", "threads": args.threads, "rows": rows}
    print(json.dumps(result))
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
