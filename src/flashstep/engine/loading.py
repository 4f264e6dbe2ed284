"""Builds an engine: on the wanted runner from a checkpoint folder, on the CPU from weights in memory."""

import logging
from collections.abc import Callable
from pathlib import Path

from flashstep.engine.config import EngineConfig, ResolvedConfig
from flashstep.engine.draft_policy import DraftPolicy
from flashstep.engine.draft_price import measure_step_cost
from flashstep.engine.engine import Engine
from flashstep.engine.processors import Grammars
from flashstep.engine.runner import Runner
from flashstep.engine.runner_protocol import RunnerProtocol
from flashstep.engine.weight_cache import load_packed
from flashstep.engine.weights import PackedModel, StorageFormats, TensorSource, pack
from flashstep.errors import ConfigError, how_to_install
from flashstep.kernels.warmup import compile_all
from flashstep.model.checkpoint import Checkpoint
from flashstep.model.config import ModelConfig

logger = logging.getLogger("flashstep.engine")


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
    runner = load_runner(path, config, sizes, report)
    return _engine(runner, config, sizes, num_valid_tokens, grammars)


def engine_of(source: TensorSource, config: EngineConfig, *, num_valid_tokens: int | None = None) -> Engine:
    """An engine on a copy of weights in memory, such as a model in training; nothing is cached on disk."""
    sizes = config.resolve(source.config)
    model = pack(source, StorageFormats.of(config.weight_format))
    runner = _cpu_runner(source.config, model, config, sizes, lambda line: None)
    return _engine(runner, config, sizes, num_valid_tokens, None)


def _engine(
    runner: RunnerProtocol, config: EngineConfig, sizes: ResolvedConfig,
    num_valid_tokens: int | None, grammars: Grammars | None,
) -> Engine:  # fmt: skip
    num_drafts, policy = sizes.num_draft_tokens, None
    if num_drafts and config.adaptive_drafting:
        policy = DraftPolicy(measure_step_cost(runner, num_drafts))
        if not policy.pays(num_drafts):
            logger.info(
                "drafting is off: a step with %d drafts takes as long as %.1f without",
                num_drafts,
                policy.step_cost,
            )
            num_drafts = 0
    return Engine(
        runner,
        num_draft_tokens=num_drafts,
        max_drafting_sequences=config.max_drafting_sequences,
        draft_policy=policy,
        num_valid_tokens=num_valid_tokens,
        prefix_cache=config.prefix_cache,
        grammars=grammars,
    )


def load_runner(
    path: Path, config: EngineConfig, sizes: ResolvedConfig, report: Callable[[str], None]
) -> RunnerProtocol:
    """The runner that `config` names, with the weights of `path` and the block counts of `sizes`."""
    if config.runner == "torch":
        return _load_torch_runner(path, config, sizes)
    return _load_cpu_runner(path, config, sizes, report)


def _load_cpu_runner(
    path: Path, config: EngineConfig, sizes: ResolvedConfig, report: Callable[[str], None]
) -> RunnerProtocol:
    model_config = ModelConfig.load(path)
    if config.cache_weights:
        model = load_packed(path, model_config, config.weight_format)
    else:
        model = pack(Checkpoint.open(path, model_config), StorageFormats.of(config.weight_format))
    return _cpu_runner(model_config, model, config, sizes, report)


def _cpu_runner(
    model_config: ModelConfig, model: PackedModel, config: EngineConfig, sizes: ResolvedConfig,
    report: Callable[[str], None],
) -> RunnerProtocol:  # fmt: skip
    bytes_per_number = config.bytes_per_cached_number
    runner = Runner(
        model_config, model, num_threads=sizes.num_threads, bytes_per_cached_number=bytes_per_number,
        **_runner_sizes(config, sizes),
    )  # fmt: skip
    # Behind the weights: a broken checkpoint is told before anyone waits for the compiler.
    compile_all(
        lambda name, done, total: report(f"kernels, compiled once per machine: {name} ({done}/{total})"),
        bytes_per_number,
    )
    return runner


def _load_torch_runner(path: Path, config: EngineConfig, sizes: ResolvedConfig) -> RunnerProtocol:
    try:
        from flashstep.engine.runner_torch import TorchRunner  # only here: the base install has no torch
    except ImportError as e:
        raise ConfigError(
            f"the runner 'torch' needs PyTorch 2.10 or newer ({e}); {how_to_install('gpu')}"
        ) from None
    return TorchRunner.load(
        path,
        weight_format=config.weight_format,
        device=config.device,
        num_threads=sizes.num_threads,
        pads_decode=None,
        **_runner_sizes(config, sizes),
    )


def _runner_sizes(config: EngineConfig, sizes: ResolvedConfig) -> dict[str, int]:
    return {
        "block_size": config.block_size,
        "num_full_blocks": sizes.num_full_blocks,
        "num_sliding_blocks": sizes.num_sliding_blocks,
        "max_batch_tokens": config.max_batch_tokens,
        "max_sequences": config.max_sequences,
    }
