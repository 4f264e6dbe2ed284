"""A server with keys in a file, for tests of what they may do."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flashstep.server.keys.api_key import ApiKey, KeyLimits, hash_of, new_secret
from flashstep.server.keys.key_file import add_key
from flashstep.server.settings import ServerSettings
from server.running_server import PlayedModel, RunningServer, serving


@dataclass
class Keyed:
    """A running server and the headers of its keys, by name."""

    server: RunningServer
    headers: dict[str, dict[str, str]]


@contextmanager
def serving_keys(folder: Path, keys: dict[str, KeyLimits], **settings: object) -> Iterator[Keyed]:
    """Serve with these keys until the block ends."""
    path = folder / "keys.jsonl"
    headers = {}
    for name, limits in keys.items():
        secret = new_secret()
        add_key(path, ApiKey(name=name, sha256=hash_of(secret), limits=limits))
        headers[name] = {"Authorization": f"Bearer {secret}"}
    with serving(PlayedModel(), ServerSettings(api_key_file=path, **settings)) as server:
        yield Keyed(server, headers)
