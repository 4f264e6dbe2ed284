"""Builds an engine on the CPU runner from a checkpoint folder."""

from collections.abc import Callable
from pathlib import Path

from flashstep.engine.config import EngineConfig
from flashstep.engine.engine import Engine
from flashstep.engine.processors import Grammars
from flashstep.engine.runner import Runner
from flashstep.engine.weight_cache import load_packed
from flashstep.engine.weights import StorageFormats, pack
from flashstep.kernels.warmup import compile_all
from flashstep.model.checkpoint import Checkpoint
from flashstep.model.config import ModelConfig


def load_engine(
    path: Path,
    config: EngineConfig,
    *,
    num_valid_tokens: int | None = None,
    grammars: Grammars | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> Engine:
    """Read config and weights, size the caches, make the engine. ConfigError when it cannot work.

    num_valid_tokens: the tokenizer's size, so that padded ids are never chosen; None = no padding.
    grammars: for requests that have one; None = they are refused.
    on_progress: called with a short line before each slow part.
    """
    report = on_progress or (lambda line: None)
    model_config = ModelConfig.load(path)
    sizes = config.resolve(model_config)
    report(f"loading {path.name} as {config.weight_format}")
    if config.cache_weights:
        model = load_packed(path, model_config, config.weight_format)
    else:
        model = pack(Checkpoint.open(path, model_config), StorageFormats.of(config.weight_format))
    runner = Runner(
        model_config,
        model,
        num_threads=sizes.num_threads,
        block_size=config.block_size,
        num_full_blocks=sizes.num_full_blocks,
        num_sliding_blocks=sizes.num_sliding_blocks,
        max_batch_tokens=config.max_batch_tokens,
        max_sequences=config.max_sequences,
    )
    # Behind the weights: a broken checkpoint is told before anyone waits for the compiler.
    compile_all(
        lambda name, done, total: report(f"kernels, compiled once per machine: {name} ({done}/{total})")
    )
    return Engine(
        runner,
        num_draft_tokens=sizes.num_draft_tokens,
        max_drafting_sequences=config.max_drafting_sequences,
        num_valid_tokens=num_valid_tokens,
        prefix_cache=config.prefix_cache,
        grammars=grammars,
    )
