"""Speed of the CPU engine's compiled passes beside what the memory could deliver.

Prints the read bandwidth first (of a buffer as large as the weights that one token reads, and of one that no
cache holds), then decode of one row, an MTP draft, verification of four rows and prefill of 512 rows, each
as median with min and max, then one JSON line. Without `--model` the weights are random in the shape of
flashstep-nano: same work per token as trained ones. Warm-up is excluded.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from provenance import provenance
from safetensors.numpy import save_file

from flashstep.engine.batch import Batch, DraftBatch
from flashstep.engine.runner import Runner
from flashstep.kernels.jit import kernel
from flashstep.kernels.warmup import compile_all
from flashstep.model import presets
from flashstep.model.config import DenseSpec, LayerSpec, ModelConfig
from flashstep.model.names import checkpoint_tensors

BIG_BUFFER_BYTES = 256 << 20
BLOCK_SIZE, PREFILL_ROWS, VERIFY_ROWS = 16, 512, 4
WEIGHT_BYTES = {"int4": 0.5625, "int8": 1, "bf16": 2, "float32": 4}


@kernel
def add_up(words: np.ndarray) -> int:
    """Sum of int64 words: reads everything once."""
    total = 0
    for i in range(words.shape[0]):
        total += words[i]
    return total


def seconds(run: Callable[[], object], repeats: int, calls: int = 1) -> dict[str, float]:
    """Median, min and max seconds of one call over `repeats` measurements of `calls` calls each."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(calls):
            run()
        times.append((time.perf_counter() - start) / calls)
    return {"median": statistics.median(times), "min": min(times), "max": max(times)}


def bandwidth(num_bytes: int) -> float:
    """Best bytes per second of one thread reading a buffer of this size again and again."""
    words = np.ones(num_bytes // 8, np.int64)
    return words.nbytes / seconds(lambda: add_up(words), 7, max(1, (64 << 20) // num_bytes))["min"]


def layer_weights(layer: LayerSpec, d_model: int) -> int:
    """Weights of the matrices of one layer that one token reads."""
    heads = layer.num_q_heads * 2 + layer.num_kv_heads * 2
    attention = heads * layer.head_dim * d_model
    mlp = layer.mlp
    if isinstance(mlp, DenseSpec):
        return attention + 3 * mlp.inner_dim * d_model
    return attention + 3 * (mlp.top_k * mlp.expert_dim + mlp.shared_dim) * d_model


def weights_per_token(config: ModelConfig) -> int:
    """Weights of the trunk's matrices and head that one token reads."""
    return sum(layer_weights(x, config.d_model) for x in config.layers) + config.vocab_size * config.d_model


def random_checkpoint(path: Path) -> Path:
    """A nano-shaped checkpoint with random weights."""
    config, rng = ModelConfig.from_hf(presets.nano()), np.random.default_rng(0)
    tensors = {
        spec.name: (rng.standard_normal(spec.shape) * (0 if "norm" in spec.name else 0.05)).astype(np.float32)
        for spec in checkpoint_tensors(config)
    }
    config.save(path)
    save_file(tensors, path / "model.safetensors")
    return path


def ints(*values: int) -> np.ndarray:
    """int32 array."""
    return np.array(values, np.int32)


def rows_at(position: int, count: int, table: np.ndarray, wanted: int) -> Batch:
    """`count` rows of one sequence from `position` on, with logits for the last `wanted`."""
    tokens = np.arange(count, dtype=np.int32) * 37 % 256  # every vocabulary has the bytes
    positions = np.arange(position, position + count, dtype=np.int32)
    logit_rows = np.arange(count - wanted, count, dtype=np.int32)
    return Batch(tokens, positions, ints(0, count), table, table, logit_rows)


def measure(runner: Runner, context: int, repeats: int) -> dict[str, dict[str, float]]:
    """Seconds per pass of each kind, at the given context length."""
    table = np.arange(runner.num_full_blocks, dtype=np.int32)[None]
    decode = rows_at(context, 1, table, 1)
    verify = rows_at(context, VERIFY_ROWS, table, VERIFY_ROWS)
    prefill = rows_at(0, PREFILL_ROWS, table, 1)
    hidden = np.zeros((1, runner.config.d_model), np.float32)
    append = np.full((1, runner.max_drafts), -1, np.int32)
    draft = DraftBatch(decode.token_ids_T, decode.positions_T, decode.query_starts_S1, table, append, hidden)
    return {
        "decode": seconds(lambda: runner.forward(decode), repeats, 50),
        "draft": seconds(lambda: runner.draft(draft), repeats, 50),
        "verify": seconds(lambda: runner.forward(verify), repeats, 20),
        "prefill": seconds(lambda: runner.forward(prefill), repeats, 2),
    }


def report(name: str, rows: int, result: dict[str, float]) -> None:
    """One line: milliseconds, and rows per second from the median."""
    spread = f"{result['median'] * 1e3:.3f} ms (min {result['min'] * 1e3:.3f}, max {result['max'] * 1e3:.3f})"
    print(f"{name:32} {spread}  {rows / result['median']:,.0f} rows/s")


def main() -> None:
    """Parse flags, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, help="checkpoint folder (default: random nano)")
    parser.add_argument("--weight-format", choices=WEIGHT_BYTES, default="int8")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--context", type=int, default=256, help="tokens before the measured rows")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--out", type=Path, help="write the JSON here too")
    args = parser.parse_args()
    compile_all(lambda name, done, total: print(f"kernels: {name} ({done}/{total})"))
    with tempfile.TemporaryDirectory() as folder:
        blocks = -(-max(args.context + VERIFY_ROWS, PREFILL_ROWS) // BLOCK_SIZE)
        runner = Runner.load(
            args.model or random_checkpoint(Path(folder)), weight_format=args.weight_format,
            block_size=BLOCK_SIZE, num_threads=args.threads,
            num_full_blocks=blocks, num_sliding_blocks=blocks,
            max_batch_tokens=PREFILL_ROWS, max_sequences=1,
        )  # fmt: skip
    token_bytes = int(weights_per_token(runner.config) * WEIGHT_BYTES[args.weight_format])
    near, far = bandwidth(token_bytes), bandwidth(BIG_BUFFER_BYTES)
    ceiling = near / token_bytes
    print(f"read bandwidth, one thread: {near / 1e9:.1f} GB/s for {token_bytes / 1e6:.1f} MB, "
          f"{far / 1e9:.1f} GB/s for {BIG_BUFFER_BYTES >> 20} MiB")  # fmt: skip
    print(f"weights alone allow {ceiling:,.0f} tokens/s on one thread\n")
    results = measure(runner, args.context, args.repeats)
    runner.close()
    threads = f"{args.weight_format}, {args.threads} thread{'s' if args.threads > 1 else ''}"
    print(f"{threads}, context {args.context}, {args.repeats} repeats")
    for name, rows in (("decode", 1), ("draft", 1), ("verify", VERIFY_ROWS), ("prefill", PREFILL_ROWS)):
        report(f"{name} ({rows} row{'s' if rows > 1 else ''})", rows, results[name])
    fraction = 1 / results["decode"]["median"] / ceiling
    print(f"decode reaches {fraction:.0%} of the one-thread ceiling")
    result = provenance() | {
        "benchmark": "decode", "weight_format": args.weight_format, "threads": args.threads,
        "context_tokens": args.context, "bytes_per_token": token_bytes, "near_bytes_per_s": near,
        "far_bytes_per_s": far, "seconds": results, "fraction_of_ceiling": fraction,
    }  # fmt: skip
    print(json.dumps(result))
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
