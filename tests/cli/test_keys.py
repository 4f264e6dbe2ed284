"""`flashstep keys`: shows a key once, keeps its hash, lists and removes by name."""

from datetime import UTC, date, datetime

import pytest
from typer.testing import CliRunner

from flashstep.cli.main import app
from flashstep.errors import ConfigError
from flashstep.server.keys.api_key import ApiKey, hash_of
from flashstep.server.keys.key_file import add_key
from flashstep.server.keys.key_ring import KeyRing


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "keys.jsonl"

    def run(*arguments):
        return CliRunner().invoke(app, ["keys", *arguments, "--file", str(path)], env={"COLUMNS": "120"})

    run.path = path
    return run


def test_an_added_key_is_shown_alone_on_stdout_and_opens_a_server(run):
    added = run("add", "ci", "--requests-per-minute", "60", "--concurrency", "2", "--expires", "2999-01-31")
    assert added.exit_code == 0
    secret = added.stdout.strip()
    key = KeyRing(file=run.path).find(secret)
    assert (key.name, key.limits.requests_per_minute, key.limits.concurrency) == ("ci", 60, 2)
    assert f"{key.expires}" == "2999-01-31"
    assert secret[3:] not in run.path.read_text()


def test_a_list_shows_names_limits_and_what_has_expired(run):
    run("add", "web", "--tokens-per-minute", "5000")
    add_key(run.path, ApiKey(name="guest", sha256=hash_of("old"), expires=date(2020, 1, 1)))
    listed = run("list").stdout
    assert "web" in listed
    assert "5000" in listed
    assert "2020-01-01 (expired)" in listed


def test_a_removed_key_is_gone(run):
    secret = run("add", "ci").stdout.strip()
    assert run("remove", "ci").exit_code == 0
    assert KeyRing(file=run.path).find(secret) is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add", "a b"), "'a b' cannot name a key"),
        (("add", "late", "--expires", "2020-01-01"), "--expires 2020-01-01 is past; today is 20"),
        (("remove", "nobody"), "flashstep keys add"),
        (("list",), "cannot read the key file"),
    ],
)
def test_what_cannot_be_done_is_a_config_error_with_the_way_out(run, arguments, words):
    result = run(*arguments)
    assert isinstance(result.exception, ConfigError)
    assert words in result.exception.message


@pytest.mark.parametrize("wrong", [("--expires", "soon"), ("--concurrency", "0")])
def test_wrong_options_are_refused_by_name(run, wrong):
    result = run("add", "ci", *wrong)
    assert result.exit_code == 2
    assert wrong[0] in result.output
    assert not run.path.exists()


def test_a_key_may_expire_at_the_end_of_today(run):
    assert run("add", "guest", "--expires", f"{datetime.now(UTC).date()}").exit_code == 0


def test_the_help_says_what_each_limit_counts(run):
    told = run("add", "--help").stdout
    for words in ("POST calls in a minute", "Tokens of prompts and answers", "POST calls at the same time"):
        assert words in told
