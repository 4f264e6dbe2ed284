"""Which checkpoint folder a command uses: the one named, or the model that ships with the package."""

from pathlib import Path

from flashstep.errors import ConfigError

BUILT_IN = Path(__file__).parent.parent / "weights" / "flashstep-nano"


def resolve_model_path(path: Path | None, called: str = "--model") -> Path:
    """The folder to load; None means the built-in model. ConfigError when it holds no checkpoint.

    called: what the command calls `path`, for the error.
    """
    folder = BUILT_IN if path is None else path
    if not folder.is_dir():
        if path is None:
            raise ConfigError(
                f"the built-in model is missing ({folder} does not exist); "
                f"name a checkpoint folder with {called}, or install a release of flashstep that ships it"
            )
        raise ConfigError(
            f"{called} {folder}: no such folder; it must be a checkpoint folder with a config.json"
        )
    missing = [name for name in ("config.json", "tokenizer.json") if not (folder / name).is_file()]
    if missing:
        raise ConfigError(
            f"{called} {folder}: {' and '.join(missing)} not found; is this a checkpoint folder?"
        )
    return folder
