"""`flashstep trace`: one record with its timeline, lists, and what is said when there is none."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from cli.test_main import run
from flashstep.server.traces.record import AnswerEnd, Failure
from flashstep.types import Usage
from server.traces.making_records import record, store

SPOKEN = {
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "[bold]hi\x1b[2J"}],
    "output": [
        {
            "role": "assistant",
            "content": "There are 3.",
            "reasoning": "b-e-r-r-y",
            "tool_calls": [{"id": "call_1", "name": "look_up", "arguments": {"word": "berry"}}],
        }
    ],
}
ANSWER = AnswerEnd(finish_reason="stop", usage=Usage(12, 7, 4, 8), num_drafted=9, num_accepted=5)


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    """A store with an answer, a failure and a refused call."""
    path = tmp_path / "traces.db"
    with closing(store(path)) as open_store:
        open_store.write(
            [
                record(0xAB1, content=SPOKEN, answers=(ANSWER,), params={"temperature": 0.5}, client="ada"),
                record(
                    0xAB2,
                    outcome="failed",
                    status=500,
                    total_s=7.0,
                    error=Failure("RuntimeError", "a defect", "Traceback:\n  in here"),
                ),
                record(0xCD3, outcome="failed", status=400, answers=(), error=Failure("bad", "temperature")),
            ]
        )
    return path


def shown(store_path: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run("trace", *arguments, "--store", str(store_path)) == 0
    return capsys.readouterr().out


def test_a_record_is_printed_with_its_timeline_and_content(store_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    out = shown(store_path, capsys, record(0xAB1).trace_id)
    for said in (
        "chatcmpl-2737",
        "step-3.5-flash (flashstep-nano)",
        "ada, no user agent",
        "stop, HTTP 200, 1.00 s",
        "12 prompt (8 cached), 7 completion (4 reasoning), 5 of 9 drafts accepted",
        '{"temperature": 0.5}',
        "Be brief.",
        "There are 3.",
        "b-e-r-r-y",
        'look_up\n{"word": "berry"}',
    ):
        assert said in out
    bars = {line.split()[0]: line.count("█") for line in out.splitlines() if "█" in line}
    assert list(bars) == ["request", "queue", "prefill", "reasoning", "answer", "sending"]
    assert bars["prefill"] == pytest.approx(0.2 * 40, abs=1)
    assert bars["reasoning"] == pytest.approx(0.3 * 40, abs=1)


def test_what_people_wrote_can_neither_steer_the_terminal_nor_be_markup(store_path, capsys):
    out = shown(store_path, capsys, record(0xAB1).trace_id)
    assert "[bold]hi[2J" in out
    assert "\x1b" not in out


def test_a_failure_is_printed_with_its_stack(store_path, capsys):
    out = shown(store_path, capsys, record(0xAB2).trace_id)
    assert "failed: RuntimeError, HTTP 500" in out
    assert "RuntimeError: a defect" in out
    assert "in here" in out


def test_the_beginning_of_an_id_is_enough_if_only_one_begins_so(store_path, capsys):
    zeros = "0" * 29
    assert "HTTP 400" in shown(store_path, capsys, f"{zeros}CD")
    assert "HTTP 400" in shown(store_path, capsys, "00000000-0000-0000-0000-000000000CD3"), "a UUID"
    assert run("trace", f"{zeros}ab", "--store", str(store_path)) == 1
    assert "2 traces begin with" in capsys.readouterr().err


def test_an_unknown_id_fails_with_a_hint(store_path, capsys):
    assert run("trace", "f" * 32, "--store", str(store_path)) == 1
    err = capsys.readouterr().err
    assert "there is no trace" in err
    assert "flashstep trace --last 20" in err


@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        ((), [0xCD3, 0xAB2, 0xAB1]),
        (("--last", "1"), [0xCD3]),
        (("--failed",), [0xCD3, 0xAB2]),
        (("--failed", "--last", "1"), [0xCD3]),
        (("--slow",), [0xAB2, 0xAB1]),
        (("--slow", "2.5"), [0xAB2]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_lists_as_tables_and_as_json(store_path, capsys, monkeypatch, arguments, numbers):
    monkeypatch.setenv("COLUMNS", "160")
    ids = [f"{number:032x}" for number in numbers]
    lines = shown(store_path, capsys, *arguments).splitlines()[1:]
    assert [next(i for i in ids if i in line) for line in lines] == ids
    objects = [json.loads(line) for line in shown(store_path, capsys, *arguments, "--json").splitlines()]
    assert [found["trace_id"] for found in objects] == ids


def test_json_of_one_record_has_everything(store_path, capsys):
    found = json.loads(shown(store_path, capsys, record(0xAB1).trace_id, "--json"))
    assert found["content"] == SPOKEN
    assert found["usage"]["completion_tokens"] == 7
    assert [phase["name"] for phase in found["phases"]][:2] == ["request", "queue"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--slow", "soon"), "not a number of seconds"),
        (("--failed", "--slow"), "--failed lists what failed"),
        (("--store", "none.db"), "there is no trace store none.db"),
    ],
)
def test_a_mistake_is_one_line(arguments, said, capsys):
    assert run("trace", *arguments) == 2
    assert said in capsys.readouterr().err


def test_without_a_store_named_the_one_of_the_users_servers_is_read(state_folder, capsys):
    path = state_folder / "flashstep" / "traces.db"
    with closing(store(path)) as open_store:
        open_store.write([record(0xEF)])
    assert run("trace", record(0xEF).trace_id) == 0
    assert record(0xEF).trace_id in capsys.readouterr().out
    for file in path.parent.iterdir():
        file.unlink()
