"""The file of API keys: JSON lines, one key each, `#` comments and empty lines between them.

    {"name": "ci", "sha256": "9f86...", "created": "2026-02-01", "requests_per_minute": 60}

Every member of a line is a field of `ApiKey` or `KeyLimits`; others are refused, since a misspelt limit
would be no limit. A new file is readable for its owner alone. A change replaces the whole file at once and
keeps its comments, its rights and, as far as the system allows, its owner; where a link leads to it, the link
stays one.
"""

import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields
from datetime import date
from pathlib import Path
from typing import Any

from flashstep.errors import ConfigError
from flashstep.server.keys.api_key import ApiKey, KeyLimits

_LIMITS = tuple(f.name for f in fields(KeyLimits))
_DATES = ("expires", "created")
_MEMBERS = ("name", "sha256", *_DATES, *_LIMITS)


def read_keys(path: Path) -> tuple[ApiKey, ...]:
    """All keys of the file. Raises ConfigError naming the line that cannot be used."""
    keys: dict[str, ApiKey] = {}
    for number, line in enumerate(_lines(path), start=1):
        if not _is_key(line):
            continue
        try:
            key = _parsed(line)
        except ConfigError as error:
            raise ConfigError(f"{path}, line {number}: {error.message}") from error
        if key.name in keys:
            raise ConfigError(f"{path}, line {number}: there is already a key named {key.name!r}; rename one")
        keys[key.name] = key
    return tuple(keys.values())


def add_key(path: Path, key: ApiKey) -> None:
    """Append a key; the file is made when there is none. Raises ConfigError when the name is taken."""
    with _locked(path):
        lines: list[str] = []
        if path.exists():
            if any(known.name == key.name for known in read_keys(path)):
                raise ConfigError(
                    f"{path} already has a key named {key.name!r}; choose another name, or remove that one "
                    "first"
                )
            lines = _lines(path)
        _write(path, [*lines, _line(key)])


def remove_key(path: Path, name: str) -> None:
    """Take a key out. Raises ConfigError when there is none of this name."""
    with _locked(path):
        names = [key.name for key in read_keys(path)]
        if name not in names:
            raise ConfigError(f"{path} has no key named {name!r}; it has {', '.join(names) or 'none'}")
        _write(path, [line for line in _lines(path) if not (_is_key(line) and _parsed(line).name == name)])


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Alone among those who change files of this folder: of two changes at once, one would be lost. The
    folder is locked, since the file itself is replaced."""
    try:
        folder = os.open(_target(path).parent, os.O_RDONLY)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with suppress(OSError):  # some network file systems lock no folders
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _target(path: Path) -> Path:
    """The file itself, where `path` is a link to it."""
    return Path(os.path.realpath(path))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot read the key file {path}: {error}; make one with `flashstep keys add NAME --file {path}`"
        ) from error


def _is_key(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _parsed(line: str) -> ApiKey:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise ConfigError(f"no valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise ConfigError('a key must be a JSON object like {"name": ..., "sha256": ...}')
    unknown = [name for name in value if name not in _MEMBERS]
    if unknown:
        raise ConfigError(f"{unknown[0]}: not a member of a key; those are {', '.join(_MEMBERS)}")
    return ApiKey(
        name=_typed(value, "name", str) or "",
        sha256=_typed(value, "sha256", str) or "",
        limits=KeyLimits(**{name: _typed(value, name, int) for name in _LIMITS}),
        expires=_date(value, "expires"),
        created=_date(value, "created"),
    )


def _typed(value: dict[str, Any], name: str, kind: type) -> Any:
    member = value.get(name)
    if member is not None and type(member) is not kind:  # a boolean is no number here
        raise ConfigError(f"{name}: {member!r} is not {'a number' if kind is int else 'a string'}")
    return member


def _date(value: dict[str, Any], name: str) -> date | None:
    text = _typed(value, name, str)
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{name}: {text!r} is not a date like 2027-12-31") from error


def _line(key: ApiKey) -> str:
    members = {"name": key.name, "sha256": key.sha256, "created": key.created, "expires": key.expires}
    members |= asdict(key.limits)
    given = {name: value for name, value in members.items() if value is not None}
    return json.dumps(given, default=date.isoformat)


def _write(path: Path, lines: list[str]) -> None:
    target = _target(path)
    try:
        # mkstemp makes it readable for the owner alone; in the same folder, so that replacing is atomic.
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in lines)
                file.flush()
                os.fsync(file.fileno())
            if target.exists():
                _make_alike(temporary, target.stat())
            os.replace(temporary, target)
        except OSError:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise _unwritable(path, error) from error


def _make_alike(file: str, old: os.stat_result) -> None:
    """Give `file` owner, group and rights of the one that it replaces: a server that runs as somebody else
    than whoever changes its keys must still be able to read them."""
    with suppress(OSError):  # only root may give a file to somebody else
        os.chown(file, old.st_uid, old.st_gid)
    os.chmod(file, stat.S_IMODE(old.st_mode))


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"cannot write the key file {path}: {error}")
