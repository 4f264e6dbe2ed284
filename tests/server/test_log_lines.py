"""Log lines: each has its trace id, nobody can forge one, and patterns are taken out."""

import json
import logging
import logging.config

import pytest

from flashstep.server.serve import log_config
from flashstep.server.settings import ServerSettings
from server.running_server import PlayedModel, ask, serving


@pytest.fixture
def configured(monkeypatch):
    """Configure logging as a server does, and put it back afterwards."""
    names = ("flashstep", "uvicorn", "opentelemetry")
    before = {
        name: (logger.handlers[:], logger.level, logger.propagate)
        for name in names
        for logger in [logging.getLogger(name)]
    }
    yield lambda *args: logging.config.dictConfig(log_config("INFO", *args))
    for name, (handlers, level, propagate) in before.items():
        logger = logging.getLogger(name)
        logger.handlers, logger.level, logger.propagate = handlers, level, propagate
        logger.setLevel(level)


def test_every_json_line_of_a_call_has_its_trace_id(configured, capsys):
    configured("json")
    with serving(PlayedModel(), ServerSettings()) as server:
        server.model.script = [RuntimeError("a\ndefect")]
        trace_id = server.post(ask()).headers["x-trace-id"]
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    mine = [line for line in lines if line["trace_id"] == trace_id]
    assert [line["level"] for line in mine if line["logger"] == "flashstep.server"] == ["ERROR"]
    assert mine[0]["message"] == "unexpected error"
    assert mine[0]["stack"].endswith("RuntimeError: a\ndefect")
    assert mine[-1]["message"].startswith("POST /v1/chat/completions 500")
    assert all(line.keys() >= {"time", "level", "trace_id", "logger", "message"} for line in lines)


@pytest.mark.parametrize("form", ["text", "json"])
def test_patterns_are_taken_out_of_messages_and_stacks(configured, capsys, form):
    configured(form, ("sk-[a-z]+",))
    try:
        raise ValueError("stack with sk-secret")
    except ValueError:
        logging.getLogger("flashstep.x").exception("key %s was used", "sk-secret")
    line = capsys.readouterr().err
    assert "key [redacted] was used" in line
    assert "stack with [redacted]" in line
    assert "sk-secret" not in line.replace('"stack with sk-secret"', "").replace('"sk-secret"', "")


def test_a_request_is_one_line_whatever_its_path_spells(configured, capsys):
    configured("text")
    with serving(PlayedModel(), ServerSettings()) as server:
        server.get("/foo%0A2026-01-01%20INFO%20forged%0D%1b[2J%C2%9b%E2%80%A8%E2%80%AEend")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable()
    assert r"GET /foo\n2026-01-01 INFO forged\r\x1b[2J\x9b\u2028\u202eend 404" in line


def test_a_stack_keeps_its_lines_and_what_the_exception_says_begins_none(configured, capsys):
    configured("text")
    with serving(PlayedModel(), ServerSettings()) as server:
        server.model.script = [RuntimeError("a defect\n2026-01-01 INFO forged\x1b[2J")]
        server.post(ask())
    lines = capsys.readouterr().err.splitlines()
    assert "  Traceback (most recent call last):" in lines
    assert lines[-3:-1] == ["  RuntimeError: a defect", r"  2026-01-01 INFO forged\x1b[2J"]
    assert "POST /v1/chat/completions 500" in lines[-1]


def test_a_json_line_outside_of_calls_has_no_trace_id_and_is_in_utc(configured, capsys):
    configured("json")
    logging.getLogger("flashstep.x").warning("häuser \u2028 %d", 5)
    (line,) = capsys.readouterr().err.splitlines()
    values = json.loads(line)
    assert (values["trace_id"], values["message"]) == ("-", "häuser \u2028 5")
    assert values["time"].endswith("Z")
