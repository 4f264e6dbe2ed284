"""The options that several commands share, each declared once with its help text.

An engine option that is not given stays None here and takes its default from `EngineConfig`, which is not
imported until a command runs.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flashstep.errors import ConfigError
from flashstep.server.settings import ServerSettings

if TYPE_CHECKING:
    from flashstep.engine.config import EngineConfig

# One question gives one kind of answer, whether it comes over HTTP or from the terminal.
DEFAULT_TEMPERATURE = ServerSettings().temperature
DEFAULT_TOP_P = ServerSettings().top_p

Model = Annotated[
    Path | None,
    typer.Option(
        "--model", "-m", help="Checkpoint folder; the built-in model when not given.", show_default=False
    ),
]
Runner = Annotated[
    Literal["cpu", "torch"],
    typer.Option(help="What computes: compiled CPU kernels, or PyTorch (needs the extra gpu)."),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="Where --runner torch computes: cuda, cuda:1 or cpu; cuda when not given.", show_default=False
    ),
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", min=1, help="CPU threads; one per core when not given.", show_default=False),
]
WeightFormat = Annotated[
    Literal["int4", "int8", "fp8", "bf16", "float32"] | None,
    typer.Option(
        help="Weights in memory: int8 is the default, int4 smaller (heads stay int8); bf16 (float32) is "
        "exact for bfloat16 (any) weights, and slow. PyTorch as runner takes bf16, its default, and float32; "
        "int4 and fp8 are for its experts, beside bf16.",
        show_default=False,
    ),
]
KvMemory = Annotated[
    int | None,
    typer.Option(
        "--kv-memory-mib",
        min=1,
        help="MiB for the KV cache, which bound the context; when not given, 1024, or what 4096 tokens take "
        "if that is more.",
        show_default=False,
    ),
]
MaxSequences = Annotated[
    int | None,
    typer.Option(
        "--max-sequences",
        min=1,
        help="Most requests computed at once, 64 when not given; others wait.",
        show_default=False,
    ),
]
Drafts = Annotated[
    bool,
    typer.Option(
        "--drafts/--no-drafts", help="Let the model's MTP modules draft tokens ahead. Same answers."
    ),
]
PrefixCache = Annotated[
    bool,
    typer.Option(
        "--prefix-cache/--no-prefix-cache",
        help="Keep the KV cache of earlier prompts for those that begin alike. Same answers.",
    ),
]
System = Annotated[str | None, typer.Option("--system", "-s", help="System message to begin with.")]
Temperature = Annotated[
    float, typer.Option("--temperature", "-t", min=0.0, max=2.0, help="0 always takes the likeliest token.")
]
TopP = Annotated[
    float, typer.Option("--top-p", max=1.0, help="Keep the likeliest tokens of this total mass.")
]
Seed = Annotated[int | None, typer.Option("--seed", help="Makes a sampled answer repeatable.")]
MaxTokens = Annotated[
    int | None, typer.Option("--max-tokens", min=1, help="Most tokens to generate, reasoning included.")
]


def check_folder_of(flag: str, file: Path | None) -> None:
    """ConfigError when there is no folder to write `file` into, or it is one itself: told before the work,
    not after."""
    if file is None:
        return
    if not file.parent.is_dir():
        raise ConfigError(f"{flag} {file}: no such folder as {file.parent}; make it first")
    if file.is_dir():
        raise ConfigError(f"{flag} {file}: that is a folder; name a file in it")


def positive(flag: typer.CallbackParam, value: float) -> float:
    """For options whose value must be above 0, which typer's `min` cannot say."""
    if not value > 0:
        raise ConfigError(f"{flag.opts[0]} {value:g}: must be positive")
    return value


def engine_config(
    *,
    threads: int | None,
    weight_format: str | None,
    kv_memory_mib: int | None,
    drafts: bool,
    prefix_cache: bool = True,
    max_sequences: int | None = None,
    runner: str = "cpu",
    device: str | None = None,
) -> "EngineConfig":
    """The engine's configuration from the flags of a command; ConfigError when it cannot work."""
    from flashstep.engine.config import EngineConfig

    if device is not None and runner == "cpu":
        raise ConfigError(f"--device {device}: the compiled CPU kernels have none; add --runner torch")
    given = {
        "runner": runner,
        "device": device,
        "num_threads": threads,
        "weight_format": weight_format,
        "kv_memory_bytes": None if kv_memory_mib is None else kv_memory_mib << 20,
        "num_draft_tokens": None if drafts else 0,
        "prefix_cache": None if prefix_cache else False,
        "max_sequences": max_sequences,
    }
    return EngineConfig.from_options({name: value for name, value in given.items() if value is not None})
