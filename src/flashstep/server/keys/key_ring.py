"""The keys that a server accepts: those given at its start and those of a file, which may change.

The file is looked at when a call comes, at most once in `check_s` seconds, and read again when it has
changed. A file that has become unreadable or wrong changes nothing: the keys of its last good state
stay, and the log says why.
"""

import hmac
import logging
import stat
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

from flashstep.errors import ConfigError
from flashstep.server.keys.api_key import PREFIX, ApiKey, hash_of
from flashstep.server.keys.key_file import read_keys

logger = logging.getLogger("flashstep.server")

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
# (device and inode, time of change in ns, bytes): differs whenever the file was written or replaced.
_Version = tuple[int, int, int, int]


class KeyRing:
    """Finds keys. Raises ConfigError when the file cannot be read at the start.

    secrets: keys in clear text, named key-1, key-2, ... and without limits. file: further keys. clock:
    seconds, monotonic.
    """

    def __init__(
        self,
        secrets: Sequence[str] = (),
        file: Path | None = None,
        *,
        check_s: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._given = tuple(
            ApiKey(name=f"key-{i}", sha256=hash_of(secret)) for i, secret in enumerate(secrets, start=1)
        )
        self._file = file
        self._check_s = check_s
        self._clock = clock
        self._checked_s = clock()
        self._version: _Version | None = None
        self._use(())
        if file is not None:
            self._version = _version(file)
            self._use(read_keys(file))
            _warn_of_others(file)

    @property
    def is_open(self) -> bool:
        """True when there are no keys to be checked against, so that everyone may call. A file without
        keys lets nobody in."""
        return not self._given and self._file is None

    @property
    def known_form(self) -> str:
        """What accepted keys look like, for whoever sent another."""
        if self._file is None:
            return "the keys that this server was started with"
        beginning = f"keys of this server begin with {PREFIX!r}"
        return f"{beginning}, beside those it was started with" if self._given else beginning

    def find(self, secret: str) -> ApiKey | None:
        """The key that `secret` is, expired or not; None for an unknown one. Takes as long for a key that
        is nearly right as for any other."""
        self._refresh()
        digest = sha256(secret.encode("utf-8", "surrogateescape")).digest()
        found = None
        for known, key in self._keys:  # to the end, so that the time does not tell which one it was
            if hmac.compare_digest(digest, known):
                found = key
        return found

    def _use(self, from_file: tuple[ApiKey, ...]) -> None:
        taken = {key.name for key in self._given} & {key.name for key in from_file}
        if taken:
            raise ConfigError(
                f"{self._file}: the name {min(taken)!r} is that of a key given at the start; rename it"
            )
        self._keys = [(key.digest, key) for key in (*self._given, *from_file)]

    def _refresh(self) -> None:
        now_s = self._clock()
        if self._file is None or now_s - self._checked_s < self._check_s:
            return
        self._checked_s = now_s
        version = _version(self._file)
        if version == self._version:
            return
        self._version = version
        try:
            keys = read_keys(self._file)
            self._use(keys)
        except ConfigError as error:
            logger.error("the API keys stay as they were: %s", error.message)
            return
        _warn_of_others(self._file)
        logger.info("read %d API keys from %s", len(keys), self._file)


def _version(file: Path) -> _Version | None:
    try:
        found = file.stat()
    except OSError:
        return None  # reading it tells why
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def _warn_of_others(file: Path) -> None:
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
    except OSError:
        return  # it went away just now; the next look tells of it
    if mode & _OTHERS:
        logger.warning(
            "other users can read or change the key file %s (mode %o); run chmod 600 on it", file, mode
        )
