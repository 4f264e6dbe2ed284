"""What holding an answer to a grammar costs: time per token, beside the time of an engine step.

Writes random texts that several grammars allow, with the built-in model's vocabulary and with a made-up one
of the official size, and times what a sequence pays for each token: asking whether it may come, and the step
of the matcher; and what it pays besides for one that may not: a mask and its use on a row of logits. The step
is one decode step of the built-in model, one stream, without drafts.

Then whole answers through the engine, held and free, in turns, output tokens per second. Requests that need
a tool, which reason first, with the call required and without: the model would make it anyway. And answers
held from their first token on to a schema that the model knows nothing of, of 1 to 32 streams, and of 32 one
of which is held: there much is chosen in vain.

usage: python benchmarks/grammar.py [--model FOLDER] [--tokens 2000] [--threads 1] [--rounds 5] [--out FILE]
"""

import argparse
import itertools
import json
import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from provenance import provenance

from flashstep.chat.answer_grammar import grammar_for
from flashstep.chat.template import ChatTemplate
from flashstep.chat.tokenizer import Tokenizer
from flashstep.cli.model_path import resolve_model_path
from flashstep.engine.config import EngineConfig
from flashstep.engine.engine import Engine
from flashstep.engine.grammar import CompiledGrammars
from flashstep.engine.grammar_vocabulary import GrammarVocabulary
from flashstep.engine.llm import LLM
from flashstep.engine.loading import load_engine
from flashstep.model.config import ModelConfig
from flashstep.training.evaluation.suites import eval_items
from flashstep.types import FREE, AnswerRule, Request, SamplingParams, Tool

OFFICIAL_SIZE = 128_815
SCHEMA = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "count": {"type": "integer", "minimum": 0, "maximum": 1000},
        "tags": {"type": "array", "items": {"enum": ["red", "green", "blue"]}},
        "nested": {"type": "object", "properties": {"x": {"type": "number"}, "note": {"type": "string"}}},
    },
    "required": ["title", "count", "tags", "nested"],
    "additionalProperties": False,
}
WRAPPED = {"type": "function", "function": {"name": "save", "parameters": SCHEMA, "strict": True}}
TOOL = Tool("save", "", SCHEMA, WRAPPED)
RULES = {
    "any JSON object": (AnswerRule(json_schema={}), ()),
    "JSON of a schema": (AnswerRule(json_schema=SCHEMA), ()),
    "a required call": (AnswerRule(required_tools=()), (TOOL,)),
    "free text, strict tool": (FREE, (TOOL,)),
}


# An answer that never ends by itself.
ENDLESS = {"type": "array", "items": SCHEMA, "minItems": 10_000}
BATCHES = ((1, 1), (8, 8), (32, 32), (32, 1))  # streams, and how many of them are held
OUTPUT_TOKENS = 128


def official_size_vocabulary() -> GrammarVocabulary:
    """Control tokens, bytes and made-up pieces: words with and without a blank, digits, punctuation, CJK."""
    rng = random.Random(7)
    names = ["<s>", "</s>", "<pad>", "<think>", "</think>", "<tool_call>", "</tool_call>"]
    pieces = {bytes([i]) for i in range(256)}
    syllables = [a + b for a in "bcdfghklmnprstvwz" for b in ("a", "e", "i", "o", "u", "an", "er", "ing")]
    while len(pieces) < OFFICIAL_SIZE - len(names):
        kind = rng.random()
        if kind < 0.7:
            word = "".join(rng.choices(syllables, k=rng.randint(1, 4)))
            piece = rng.choice(("", " ")) + rng.choice((word, word.capitalize(), word.upper()))
        elif kind < 0.9:
            piece = "".join(chr(rng.randint(0x4E00, 0x9FA5)) for _ in range(rng.randint(1, 3)))
        else:
            piece = "".join(rng.choices("{}[]():,;.\"'<>/=-_\n 0123456789", k=rng.randint(2, 4)))
        pieces.add(piece.encode())
    tokens = [name.encode() for name in names] + sorted(pieces)
    return GrammarVocabulary(
        len(tokens), tokens.__getitem__, control_token_ids=range(len(names)), eos_token_ids={1}
    )


def time_per_token(vocabulary: GrammarVocabulary, num_tokens: int) -> list[dict[str, Any]]:
    """One row of figures (microseconds) per grammar."""
    compiled = CompiledGrammars(vocabulary)
    rows = []
    for name, (rule, tools) in RULES.items():
        grammar = grammar_for(rule, tools)
        assert grammar is not None
        started = time.perf_counter()
        compiled.check(grammar)
        compile_ms = (time.perf_counter() - started) * 1e3
        pairs = [pair for seed in range(2) for pair in _walk(compiled, grammar, num_tokens, seed)][
            num_tokens:
        ]
        tokens, masks = zip(*pairs, strict=True)
        row = {"grammar": name, "vocabulary": vocabulary.size, "compile_ms": round(compile_ms, 2)}
        rows.append(row | {"us_per_token": _spread(tokens), "us_per_mask": _spread(masks)})
    return rows


def _spread(times: Sequence[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(times), 1),
        "mean": round(statistics.mean(times), 1),
        "p99": round(statistics.quantiles(times, n=100)[98], 1),
    }


def _walk(compiled: CompiledGrammars, grammar: str, num_tokens: int, seed: int) -> list[tuple[float, float]]:
    """Microseconds of each token of random texts, and of a mask for it; a text that ends begins anew."""
    rng = np.random.default_rng(seed)
    logits_V = rng.standard_normal(compiled.vocabulary.size).astype(np.float32)
    eos = frozenset(compiled.vocabulary.eos_ids)
    constraint = compiled.constraint(grammar, eos)
    times: list[tuple[float, float]] = []
    while len(times) < num_tokens:
        started = time.perf_counter()
        narrowed_V = constraint.narrow(logits_V)
        between = time.perf_counter()
        token_id = int(rng.choice(np.flatnonzero(np.isfinite(narrowed_V))))
        resumed = time.perf_counter()
        assert constraint.allows(token_id)
        constraint.accept(token_id)
        times.append(((time.perf_counter() - resumed) * 1e6, (between - started) * 1e6))
        if token_id in eos:
            constraint = compiled.constraint(grammar, eos)
    return times


def step_us(folder: Path, num_valid_tokens: int, threads: int) -> float:
    """Microseconds of a decode step of one stream: the quickest of several answers, so that company on
    the machine can only make the grammar's share look larger."""
    params = SamplingParams(temperature=0.0, max_tokens=200, ignore_eos=True)
    prompt = list(range(20, 60))
    times = []
    options = {"num_threads": threads, "num_draft_tokens": 0, "num_valid_tokens": num_valid_tokens}
    with LLM.load(folder, **options) as llm:
        for _ in range(12):
            started = time.perf_counter()
            answer = llm.generate([prompt], params)[0].token_ids
            times.append((time.perf_counter() - started) * 1e6 / len(answer))
    return min(times)


def batch_rows(
    folder: Path, vocabulary: GrammarVocabulary, threads: int, rounds: int
) -> list[dict[str, Any]]:
    """One row of figures for each kind of batch, with drafts allowed and without."""
    grammar = grammar_for(AnswerRule(json_schema=ENDLESS), ())
    assert grammar is not None
    rows = []
    for num_drafts in (0, 3):
        config = EngineConfig(num_threads=threads, num_draft_tokens=num_drafts, prefix_cache=False)
        engine = load_engine(
            folder, config, num_valid_tokens=vocabulary.size, grammars=CompiledGrammars(vocabulary)
        )
        for streams, num_held in BATCHES:
            pairs = [
                (tokens_per_s(engine, streams, 0, None), tokens_per_s(engine, streams, num_held, grammar))
                for _ in range(rounds + 1)
            ]
            row = {"streams": streams, "held": num_held, "drafts_allowed": num_drafts > 0}
            rows.append(row | compared(pairs[1:]))
        engine.close()
    return rows


def reasoning_rows(
    folder: Path, tokenizer: Tokenizer, vocabulary: GrammarVocabulary, threads: int, rounds: int
) -> list[dict[str, Any]]:
    """One row for each number of streams, with drafts allowed and without: held-out requests for one call, as
    long as their answers are."""
    template = ChatTemplate.load(folder, tokenizer)
    items = eval_items(["tool_single"], 32, seed=2)
    asked = [(template.encode(next(item.begin()), item.tools), item.tools) for item in items]
    closing, marker = tuple(tokenizer.encode("\n</think>\n")), tokenizer.added_tokens.ids["</think>"]

    def rate(engine: Engine, streams: int, is_held: bool) -> float:
        for ids, tools in asked[:streams]:
            grammar = grammar_for(AnswerRule(required_tools=()), tools) if is_held else None
            engine.add(
                Request(
                    f"r{next(_numbers)}",
                    "",
                    tuple(ids),
                    SamplingParams(temperature=0.0, max_tokens=400),
                    engine.eos_token_ids,
                    closing,
                    marker,
                    grammar,
                )  # fmt: skip
            )
        return _run(engine)[1]

    rows = []
    for num_drafts in (0, 3):
        config = EngineConfig(num_threads=threads, num_draft_tokens=num_drafts, prefix_cache=False)
        engine = load_engine(
            folder, config, num_valid_tokens=vocabulary.size, grammars=CompiledGrammars(vocabulary)
        )
        for streams in (1, 8, 32):
            pairs = [(rate(engine, streams, False), rate(engine, streams, True)) for _ in range(rounds + 1)]
            rows.append({"streams": streams, "drafts_allowed": num_drafts > 0} | compared(pairs[1:]))
        engine.close()
    return rows


def compared(pairs: list[tuple[float, float]]) -> dict[str, Any]:
    """Medians of the rates (free, held), and the ratio within each pair."""
    free, held = zip(*pairs, strict=True)
    ratios = [h / f for f, h in pairs]
    return {
        "free_tokens_per_s": statistics.median(free),
        "held_tokens_per_s": statistics.median(held),
        "ratio": {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)},
    }


_numbers = itertools.count()


def _run(engine: Engine) -> tuple[int, float]:
    """All tokens that come, and how many a second."""
    num_tokens, started = 0, time.perf_counter()
    while engine.has_work:
        num_tokens += sum(len(output.token_ids) for _, output in engine.step())
    return num_tokens, num_tokens / (time.perf_counter() - started)


def tokens_per_s(engine: Engine, streams: int, num_held: int, grammar: str | None) -> float:
    """Output tokens of all streams per second, each of OUTPUT_TOKENS, greedy."""
    params = SamplingParams(
        temperature=0.0, max_tokens=OUTPUT_TOKENS, ignore_eos=True, repetition_guard=False
    )
    for i in range(streams):
        prompt = tuple(20 + (7 * i + j) % 400 for j in range(32))
        own = grammar if i < num_held else None
        engine.add(Request(f"r{next(_numbers)}", "", prompt, params, engine.eos_token_ids, grammar=own))
    num_tokens, rate = _run(engine)
    assert num_tokens == streams * OUTPUT_TOKENS, num_tokens
    return rate


def measure(folder: Path, num_tokens: int, threads: int, rounds: int) -> dict[str, Any]:
    """Rows for both vocabularies, the built-in one with its share of a step; then those of batches."""
    tokenizer = Tokenizer.load(folder)
    config = ModelConfig.load(folder)
    size = min(tokenizer.vocab_size, config.vocab_size)
    own = GrammarVocabulary(
        size,
        tokenizer.token_bytes,
        control_token_ids=tokenizer.added_tokens.contents,
        eos_token_ids=config.eos_token_ids,
    )
    step = step_us(folder, size, threads)
    rows = time_per_token(own, num_tokens)
    for row in rows:
        row["share_of_step"] = round(row["us_per_token"]["median"] / step, 4)
    official = official_size_vocabulary()
    started = time.perf_counter()
    assert official.tokenizer is not None
    built_s = time.perf_counter() - started
    return {
        "step_us": round(step, 1),
        "vocabulary_build_s": round(built_s, 2),
        "rows": rows + time_per_token(official, num_tokens),
        "batches": batch_rows(folder, own, threads, rounds),
        "behind_reasoning": reasoning_rows(folder, tokenizer, own, threads, rounds),
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path)
    parser.add_argument("--tokens", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    result = measure(resolve_model_path(args.model), args.tokens, args.threads, args.rounds)
    print(f"a decode step of the built-in model: {result['step_us']:.0f} us")
    for row in result["rows"]:
        us, share = row["us_per_token"], row.get("share_of_step")
        beside = "" if share is None else f"  {share:.1%} of a step"
        print(
            f"{row['vocabulary']:>7} ids  {row['grammar']:<24} median {us['median']:>5.1f} us, "
            f"p99 {us['p99']:.1f}; a mask {row['us_per_mask']['median']:.1f} us; "
            f"compiled in {row['compile_ms']:.1f} ms{beside}"
        )
    for row in result["behind_reasoning"]:
        ratio, drafts = row["ratio"], "allowed" if row["drafts_allowed"] else "off"
        print(
            f"{row['streams']} requests for a call, which is required, drafts {drafts}: "
            f"{row['held_tokens_per_s']:,.0f} tokens/s beside {row['free_tokens_per_s']:,.0f}, "
            f"{ratio['median']:.2f}x ({ratio['min']:.2f}-{ratio['max']:.2f})"
        )
    for row in result["batches"]:
        ratio = row["ratio"]
        drafts = "allowed" if row["drafts_allowed"] else "off"
        print(
            f"{row['streams']} streams, {row['held']} held, drafts {drafts}: "
            f"{row['held_tokens_per_s']:,.0f} tokens/s beside {row['free_tokens_per_s']:,.0f}, "
            f"{ratio['median']:.2f}x ({ratio['min']:.2f}-{ratio['max']:.2f})"
        )
    if args.out:
        report = provenance() | {"benchmark": "grammar", "threads": args.threads, **result}
        args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
