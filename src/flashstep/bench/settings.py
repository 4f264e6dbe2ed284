"""What is measured with: one model, one engine configuration, one load."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from flashstep.engine.config import EngineConfig, ResolvedConfig
from flashstep.errors import ConfigError
from flashstep.model.config import ModelConfig

Mode = Literal["latency", "throughput", "prefill", "context", "server"]
MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much work a figure is taken from; counts of tokens unless said otherwise.

    streams: requests at the same time. long_prompt: of the prefill figure. longest_context: of the
    context figures, which start at 1024. rounds: samples of each figure.
    """

    prompt_tokens: int = 128
    output_tokens: int = 256
    streams: int = 32
    long_prompt: int = 4096
    longest_context: int = 131072
    rounds: int = 5

    def __post_init__(self) -> None:
        for name in ("prompt_tokens", "streams", "long_prompt", "longest_context", "rounds"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.output_tokens < 2:
            raise ConfigError(
                f"output_tokens is {self.output_tokens}; it takes 2 to measure the time between tokens"
            )


@dataclass(frozen=True, slots=True)
class Settings:
    """A checked set-up. `sizes` are the threads, blocks and drafts that the engine decides on."""

    folder: Path
    model: ModelConfig
    engine: EngineConfig
    sizes: ResolvedConfig
    load: Load

    @classmethod
    def check(cls, folder: Path, engine: EngineConfig, load: Load, modes: tuple[Mode, ...]) -> "Settings":
        """ConfigError when the folder holds no model, or a load of `modes` cannot run on this engine."""
        model = ModelConfig.load(folder)
        settings = cls(folder, model, engine, engine.resolve(model), load)
        if load.streams > engine.max_sequences:
            raise ConfigError(
                f"streams is {load.streams}; the engine computes {engine.max_sequences} at once"
            )
        if {"latency", "throughput", "server"} & set(modes):
            settings._check_length("prompt and output", load.prompt_tokens + load.output_tokens)
        if "prefill" in modes:
            settings._check_length(
                "the long prompt and its output", load.long_prompt + settings.enough_output
            )
        return settings

    @property
    def is_drafting(self) -> bool:
        """Whether requests are drafted for."""
        return self.sizes.num_draft_tokens > 0

    @property
    def enough_output(self) -> int:
        """Tokens of an answer that is worth drafting for; one where nothing is drafted."""
        return 2 + self.sizes.num_draft_tokens if self.is_drafting else 1

    @property
    def capacity_tokens(self) -> int:
        """The longest context that the model and the K/V memory allow."""
        return min(self.model.max_positions, self.sizes.num_full_blocks * self.engine.block_size)

    def _check_length(self, what: str, num_tokens: int) -> None:
        if num_tokens > self.capacity_tokens:
            raise ConfigError(
                f"{what} are {num_tokens} tokens; this model and K/V memory hold {self.capacity_tokens}: "
                "ask for fewer, or give --kv-memory-mib"
            )
