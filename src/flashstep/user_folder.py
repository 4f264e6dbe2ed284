"""Where a user's files lie, by the XDG base directory specification."""

import os
from pathlib import Path

from flashstep.errors import ConfigError


def user_folder(variable: str, default: str) -> Path:
    """`$variable/flashstep`, or `~/default/flashstep` where the environment variable is not set.

    ConfigError for a user without a home folder, as some supervisors start services.
    """
    base = os.environ.get(variable, "")
    # The specification says that a relative path is invalid and to be ignored.
    if os.path.isabs(base):
        return Path(base) / "flashstep"
    try:
        return Path.home() / default / "flashstep"
    except RuntimeError as error:
        raise ConfigError(f"this user has no home folder; set {variable} to a folder of its own") from error
