"""Keys in files: kept as hashes, taken over while the server runs, never lost to a broken file."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from flashstep.errors import ConfigError
from flashstep.server.keys.api_key import ApiKey, KeyLimits, hash_of, new_secret
from flashstep.server.keys.key_file import add_key, read_keys, remove_key
from flashstep.server.keys.key_ring import KeyRing


class Clock:
    now_s = 0.0

    def __call__(self):
        return self.now_s


def made(name, **fields):
    secret = new_secret()
    return secret, ApiKey(name=name, sha256=hash_of(secret), **fields)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.jsonl"


@pytest.fixture
def clock():
    return Clock()


def test_a_key_is_random_and_its_file_holds_only_the_hash(path):
    secret, key = made("ci")
    assert secret.startswith("fs-")
    assert len(secret) >= 3 + 43, "256 bits"
    assert secret != new_secret()
    add_key(path, key)
    assert secret[3:] not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_written_is_read_again(path):
    limits = KeyLimits(requests_per_minute=5, tokens_per_minute=7, concurrency=2)
    full = made("full", limits=limits, expires=date(2027, 1, 2), created=date(2026, 3, 4))[1]
    bare = made("bare")[1]
    add_key(path, full)
    add_key(path, bare)
    assert read_keys(path) == (full, bare)


def test_comments_survive_adding_and_removing(path):
    path.write_text("# our keys\n\n")
    add_key(path, made("one")[1])
    add_key(path, made("two")[1])
    remove_key(path, "one")
    assert path.read_text().startswith("# our keys\n\n{")
    assert [key.name for key in read_keys(path)] == ["two"]


def test_a_change_keeps_the_link_and_the_rights_of_the_file(path, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "keys"
    add_key(target, made("one")[1])
    os.chmod(target, 0o640)
    path.symlink_to(target)
    add_key(path, made("two")[1])
    remove_key(path, "one")
    assert path.is_symlink()
    assert [key.name for key in read_keys(target)] == ["two"]
    assert target.stat().st_mode & 0o777 == 0o640
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_a_file_that_root_changes_stays_its_owners(path):
    add_key(path, made("one")[1])
    os.chown(path, 1234, 2345)
    add_key(path, made("two")[1])
    found = path.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (1234, 2345, 0o600)


def test_of_keys_that_are_added_at_once_none_is_lost(path):
    names = [f"key{number}" for number in range(20)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: add_key(path, made(name)[1]), names))
    assert sorted(key.name for key in read_keys(path)) == sorted(names)


def test_a_name_is_given_once_and_only_known_ones_are_removed(path):
    add_key(path, made("one")[1])
    with pytest.raises(ConfigError, match="already has a key named 'one'"):
        add_key(path, made("one")[1])
    with pytest.raises(ConfigError, match="no key named 'two'; it has one"):
        remove_key(path, "two")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 2: no valid JSON"),
        ("[]", "must be a JSON object"),
        ('{"name": "b"}', "sha256"),
        ('{"name": "b c", "sha256": "%s"}' % ("0" * 64), "'b c' cannot name a key"),
        ('{"name": "a", "sha256": "%s"}' % ("0" * 64), "already a key named 'a'"),
        ('{"name": "b", "sha256": "%s", "burst": 1}' % ("0" * 64), "burst: not a member"),
        ('{"name": "b", "sha256": "%s", "concurrency": 0}' % ("0" * 64), "concurrency: 0 must be at least 1"),
        ('{"name": "b", "sha256": "%s", "concurrency": true}' % ("0" * 64), "True is not a number"),
        ('{"name": "b", "sha256": "%s", "expires": "soon"}' % ("0" * 64), "'soon' is not a date"),
    ],
    ids=["json", "object", "hash", "name", "twice", "unknown", "zero", "boolean", "date"],
)  # fmt: skip
def test_a_wrong_line_is_named_with_the_reason(path, line, words):
    path.write_text(json.dumps({"name": "a", "sha256": "1" * 64}) + "\n" + line)
    with pytest.raises(ConfigError, match="line 2") as raised:
        read_keys(path)
    assert words in raised.value.message


def test_a_ring_finds_keys_of_both_kinds_and_no_others(path):
    secret, key = made("ci")
    add_key(path, key)
    ring = KeyRing(["plain"], path)
    assert ring.find(secret) == key
    assert ring.find("plain").name == "key-1"
    for wrong in ("", "fs-", secret[:-1], secret + "x", secret.upper(), key.sha256, "ü", "\udcff"):
        assert ring.find(wrong) is None


def test_a_server_is_open_only_without_keys_and_without_a_file(path):
    path.write_text("")
    assert KeyRing().is_open
    assert not KeyRing(["one"]).is_open
    assert not KeyRing(file=path).is_open, "an empty file lets nobody in"


def test_keys_are_rotated_without_a_restart_within_the_time_between_looks(path, clock):
    old_secret, old = made("old")
    new_secret_, new = made("new")
    add_key(path, old)
    ring = KeyRing(file=path, clock=clock)
    remove_key(path, "old")
    add_key(path, new)
    assert ring.find(old_secret), "looked just now"
    clock.now_s = 1.0
    assert ring.find(old_secret) is None
    assert ring.find(new_secret_) == new


@pytest.mark.parametrize("broken", ["{", None], ids=["no JSON", "gone"])
def test_a_file_that_breaks_leaves_the_keys_as_they_were_and_is_logged_once(path, clock, caplog, broken):
    secret, key = made("ci")
    add_key(path, key)
    ring = KeyRing(file=path, clock=clock)
    if broken is None:
        path.unlink()
    else:
        path.write_text(broken)
    for clock.now_s in (1.0, 2.0, 3.0):
        assert ring.find(secret) == key
    assert [r.levelname for r in caplog.records] == ["ERROR"]
    assert "stay as they were" in caplog.text
    path.unlink(missing_ok=True)
    other_secret, other = made("other")
    add_key(path, other)
    clock.now_s = 4.0
    assert ring.find(other_secret) == other


def test_a_file_that_others_can_read_is_warned_of(path, caplog):
    add_key(path, made("ci")[1])
    os.chmod(path, 0o644)
    KeyRing(file=path)
    assert "chmod 600" in caplog.text


def test_a_file_that_cannot_be_read_at_the_start_stops_it(path):
    with pytest.raises(ConfigError, match="flashstep keys add NAME"):
        KeyRing(file=path)


def test_a_key_in_the_file_cannot_take_a_given_ones_name(path):
    add_key(path, made("key-1")[1])
    with pytest.raises(ConfigError, match="'key-1' is that of a key given at the start"):
        KeyRing(["plain"], path)


def test_a_key_is_accepted_on_its_last_day_and_not_behind_it():
    key = replace(made("ci")[1], expires=date(2026, 5, 1))
    assert not key.is_expired(datetime(2026, 5, 1, 23, 59, tzinfo=UTC))
    assert key.is_expired(datetime(2026, 5, 2, tzinfo=UTC))
