"""What an operator may ask of traces, and how a wrong wish is refused."""

from pathlib import Path

import pytest

from flashstep.errors import ConfigError
from flashstep.server.traces.redaction import Redaction
from flashstep.server.traces.settings import TraceSettings, default_store


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"max_days": 0}, "trace_max_days: 0 must be positive"),
        ({"max_days": float("nan")}, "trace_max_days: nan"),
        ({"max_bytes": 1000}, "trace_max_mib"),
        ({"redact": ("[a-",)}, "not a regular expression"),
        ({"redact": ("a*",)}, "matches the empty text"),
        ({"otlp_endpoint": "localhost:4318"}, "http://localhost:4318"),
    ],
)
def test_a_setting_that_cannot_work_is_named(values, said):
    with pytest.raises(ConfigError, match=said):
        TraceSettings(**values)


def test_the_default_store_is_in_the_users_state_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/home/ada")
    for state, expected in (
        (str(tmp_path), tmp_path / "flashstep/traces.db"),
        ("", Path("/home/ada/.local/state/flashstep/traces.db")),
        ("relative/path", Path("/home/ada/.local/state/flashstep/traces.db")),
    ):
        monkeypatch.setenv("XDG_STATE_HOME", state)
        assert default_store() == expected


def test_redaction_reaches_every_string_of_a_value_and_leaves_the_rest():
    redaction = Redaction([r"k\d+", "secret"])
    value = {"a k1": ["secret k2", {"b": "ksecret"}], "n": 5, "x": None, "t": True}
    assert redaction.value(value) == {
        "a [redacted]": ["[redacted] [redacted]", {"b": "k[redacted]"}],
        "n": 5,
        "x": None,
        "t": True,
    }
