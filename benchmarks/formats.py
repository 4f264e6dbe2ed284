"""What each weight format costs in accuracy: the built-in model against itself in float32.

The model answers held-out questions greedily in float32. Every format then reads the same questions and
answers (logits at every token of the answers): error of the logits less their mean, Kullback-Leibler
divergence of the next-token distributions in nats, and how often the likeliest token is the same. Then
every format answers by itself: how many answers are the same from the first to the last token, and how many
are right. Last, the speed of one decoded token as a ratio to int8, formats in alternation, and the seconds
that loading takes, without and with a packed file. "int4 all" has int4 output heads too.

usage: python benchmarks/formats.py [--model FOLDER] [--prompts 200] [--out FILE]
"""

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from provenance import provenance

from flashstep.chat.template import ChatTemplate
from flashstep.chat.tokenizer import Tokenizer
from flashstep.cli.model_path import resolve_model_path
from flashstep.engine.batch import Batch
from flashstep.engine.config import WEIGHT_FORMATS, bytes_per_cached_number
from flashstep.engine.llm import LLM
from flashstep.engine.runner import Runner
from flashstep.engine.weight_cache import load_packed
from flashstep.engine.weights import StorageFormats, pack
from flashstep.model.checkpoint import Checkpoint
from flashstep.model.config import ModelConfig
from flashstep.training.evaluation.evaluate import evaluate
from flashstep.training.evaluation.suites import eval_items
from flashstep.training.evaluation.turn import Prompt, Turn
from flashstep.training.tasks.question_families import FAMILIES
from flashstep.types import SamplingParams

GREEDY = SamplingParams(temperature=0.0, max_tokens=512)
BLOCK_SIZE, MAX_TOKENS, ROUNDS, STEPS = 16, 1024, 9, 100
MODELS = (*WEIGHT_FORMATS, "int4 all")


@dataclass(frozen=True)
class Text:
    """A question as prompt, and the float32 model's answer."""

    prompt: list[int]
    answer: list[int]


def storage(name: str) -> StorageFormats:
    """The storage formats behind a name of `MODELS`."""
    if name == "int4 all":
        linear = StorageFormats.of("int4").linear
        return StorageFormats(linear, linear)
    return StorageFormats.of(name)


def load_runners(folder: Path) -> tuple[dict[str, Runner], dict[str, int]]:
    """A one-thread runner per format, and the bytes of its weights."""
    config = ModelConfig.load(folder)
    checkpoint, runners, sizes = Checkpoint.open(folder, config), {}, {}
    for name in MODELS:
        model = pack(checkpoint, storage(name))
        blocks = MAX_TOKENS // BLOCK_SIZE
        runners[name] = Runner(
            config, model, num_threads=1, block_size=BLOCK_SIZE, num_full_blocks=blocks,
            num_sliding_blocks=blocks, max_batch_tokens=MAX_TOKENS, max_sequences=1,
            bytes_per_cached_number=bytes_per_cached_number(name.removesuffix(" all")),
        )  # fmt: skip
        sizes[name] = sum(array.nbytes for array in model.weights)
    return runners, sizes


def rows_at(token_ids: list[int], first: int, num_wanted: int) -> Batch:
    """Rows of one sequence from position `first` on, with logits for the last `num_wanted`."""
    count, table = len(token_ids), np.arange(MAX_TOKENS // BLOCK_SIZE, dtype=np.int32)[None]
    positions = np.arange(first, first + count, dtype=np.int32)
    wanted = np.arange(count - num_wanted, count, dtype=np.int32)
    starts = np.array([0, count], np.int32)
    return Batch(np.array(token_ids, np.int32), positions, starts, table, table, wanted)


def answer_logits(runner: Runner, text: Text, num_valid: int) -> np.ndarray:
    """float64 logits at every token of the answer, less their mean (a constant has no effect)."""
    result = runner.forward(rows_at(text.prompt + text.answer[:-1], 0, len(text.answer)))
    logits = result.logits_RV[:, :num_valid].astype(np.float64)
    return logits - logits.mean(axis=1, keepdims=True)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log probabilities of each row."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def compare(runner: Runner, exact: Runner, texts: list[Text], num_valid: int) -> dict[str, float]:
    """Errors of one format against float32 over all tokens of all answers."""
    errors, divergences, agrees, sizes = [], [], [], []
    for text in texts:
        expected, found = answer_logits(exact, text, num_valid), answer_logits(runner, text, num_valid)
        p, q = log_softmax(expected), log_softmax(found)
        errors.append(found - expected)
        sizes.append(expected)
        divergences.append((np.exp(p) * (p - q)).sum(axis=1))
        agrees.append(expected.argmax(axis=1) == found.argmax(axis=1))
    error, divergence = np.concatenate(errors), np.concatenate(divergences)
    return {
        "num_tokens": len(divergence),
        "logit_error_rms": float(np.sqrt((error**2).mean())),
        "logit_error_rms_relative": float(np.sqrt((error**2).mean() / (np.concatenate(sizes) ** 2).mean())),
        "logit_error_max": float(np.abs(error).max()),
        "kl_mean": float(divergence.mean()),
        "kl_p99": float(np.quantile(divergence, 0.99)),
        "kl_max": float(divergence.max()),
        "same_likeliest_token": float(np.concatenate(agrees).mean()),
    }


def answers(
    folder: Path, name: str, tokenizer: Tokenizer, template: ChatTemplate, prompts: int
) -> tuple[list[Text], float]:
    """The model's own answers to held-out questions of every family, and the share that is right."""
    texts: list[Text] = []
    with LLM.load(
        folder, weight_format=name, num_valid_tokens=tokenizer.vocab_size, num_draft_tokens=0
    ) as llm:

        def answer(asked: Sequence[Prompt]) -> list[Turn]:
            questions = [template.encode(prompt.messages) for prompt in asked]
            found = llm.generate(questions, GREEDY)
            texts.extend(Text(q, c.token_ids) for q, c in zip(questions, found, strict=True))
            return [Turn.of_tokens(c.token_ids, (), tokenizer, c.is_whole) for c in found]

        items = eval_items(tuple(FAMILIES), -(-prompts // len(FAMILIES)), seed=0)
        report = evaluate(answer, items)
    right = [result.accuracy for result in report.results.values()]
    return texts, statistics.fmean(right)


def load_seconds(folder: Path, name: str) -> dict[str, float]:
    """Median seconds from a checkpoint to packed weights: by packing, and by mapping the packed file."""
    config = ModelConfig.load(folder)
    seconds: dict[str, list[float]] = {"packing": [], "mapping": []}
    load_packed(folder, config, name)
    for _ in range(ROUNDS):
        started = time.perf_counter()
        pack(Checkpoint.open(folder, config), storage(name))
        packed = time.perf_counter()
        load_packed(folder, config, name)
        seconds["packing"].append(packed - started)
        seconds["mapping"].append(time.perf_counter() - packed)
    return {way: statistics.median(values) for way, values in seconds.items()}


def token_seconds(runners: dict[str, Runner], text: Text) -> dict[str, list[float]]:
    """Seconds of one decoded token behind the text, formats in alternation, one figure per round."""
    token_ids = text.prompt + text.answer
    step = rows_at(token_ids[-1:], len(token_ids) - 1, 1)
    seconds: dict[str, list[float]] = {name: [] for name in runners}
    for runner in runners.values():
        runner.forward(rows_at(token_ids, 0, 1))
    for _ in range(ROUNDS):
        for name, runner in runners.items():
            started = time.perf_counter()
            for _ in range(STEPS):
                runner.forward(step)
            seconds[name].append((time.perf_counter() - started) / STEPS)
    return seconds


def measure(folder: Path, prompts: int) -> dict[str, Any]:
    """All figures, by format."""
    tokenizer = Tokenizer.load(folder)
    template = ChatTemplate.load(folder, tokenizer)
    own = {name: answers(folder, name, tokenizer, template, prompts) for name in WEIGHT_FORMATS}
    texts = own["float32"][0]
    runners, sizes = load_runners(folder)
    seconds = token_seconds(runners, texts[0])
    results: dict[str, Any] = {"num_prompts": len(texts), "formats": {}}
    for name, runner in runners.items():
        row = {"bytes": sizes[name]} | compare(runner, runners["float32"], texts, tokenizer.vocab_size)
        pairs = zip(seconds["int8"], seconds[name], strict=True)
        row["decode_speed_to_int8"] = statistics.median(int8 / own for int8, own in pairs)
        if name in own:
            same = [a.answer == b.answer for a, b in zip(own[name][0], texts, strict=True)]
            row |= {"same_answers": statistics.fmean(same), "right_answers": own[name][1]}
            row["load_seconds"] = load_seconds(folder, name)
        results["formats"][name] = row
        print(report(name, row), flush=True)
    for runner in runners.values():
        runner.close()
    return results


def report(name: str, row: dict[str, Any]) -> str:
    """One line."""
    line = (
        f"{name:9} {row['bytes'] / 1e6:5.1f} MB  logit error {row['logit_error_rms']:.4f} "
        f"(max {row['logit_error_max']:.3f})  KL {row['kl_mean']:.2e} (p99 {row['kl_p99']:.1e})  same token "
        f"{row['same_likeliest_token']:.4%}  decode {row['decode_speed_to_int8']:.2f}x int8"
    )
    if "same_answers" in row:
        load = row["load_seconds"]
        line += (
            f"  same answers {row['same_answers']:.1%}, right {row['right_answers']:.1%}  load "
            f"{load['packing'] * 1e3:.0f} ms, mapped {load['mapping'] * 1e3:.1f} ms"
        )
    return line


def main() -> None:
    """Parse flags, measure, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, help="checkpoint folder (default: the built-in model)")
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "formats.json")
    args = parser.parse_args()
    folder = resolve_model_path(args.model)
    result = provenance() | {"benchmark": "formats", "model": folder.name} | measure(folder, args.prompts)
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"written to {args.out}")


if __name__ == "__main__":
    main()
