"""The command line as a user meets it: help, versions, errors in one line, exit codes."""

import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from flashstep.cli.main import main
from flashstep.errors import how_to_install

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> int:
    """The exit code of the command line, run in this process."""
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    return int(stopped.value.code or 0)


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    out = capsys.readouterr().out
    for command in ("serve", "ask", "chat", "train", "convert", "eval", "bench"):
        assert f" {command} " in out


@pytest.mark.parametrize(
    "command",
    [("serve",), ("ask",), ("chat",), ("train",), ("convert",), ("bench",), ("eval", "core")],
    ids=" ".join,
)
def test_the_help_of_each_command_shows_examples(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*command, "--help") == 0
    out = capsys.readouterr().out
    assert "Examples:" in out
    assert f"flashstep {' '.join(command)} " in out


def test_the_version_is_the_one_of_the_installed_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"flashstep {version('flashstep')}\n"


def test_python_dash_m_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flashstep", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"flashstep {version('flashstep')}\n"


def test_an_unknown_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("serve", "--gpu") == 2
    assert "--gpu" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ask", "--model", "no/such/folder", "hi"), "no/such/folder: no such folder"),
        (("ask", "  "), "the question is empty"),
        (("ask", "--top-p", "0", "hi"), "top_p: 0.0 is outside"),
        (("chat", "--model", "no/such/folder"), "no/such/folder: no such folder"),
        (("serve", "--model", "no/such/folder"), "no/such/folder: no such folder"),
        (("serve", "--api-key", " spaced "), "api_keys: a key must be printable"),
        (("eval", "core", "--model", "no/such/folder"), "no/such/folder: no such folder"),
        (("train", "no-such-recipe", "--out", "unused"), "no recipe is called 'no-such-recipe'"),
        (
            ("train", "nano-cpu", "--out", "unused", "--device", "foo"),
            "device is 'foo'; choose cpu, cuda or cuda:1",
        ),
        (("train", "nano-cpu", "--out", "unused", "--device", "meta"), "device is 'meta'; choose cpu, cuda"),
        (
            ("serve", "--device", "cuda"),
            "--device cuda: the compiled CPU kernels have none; add --runner torch",
        ),
        (("serve", "--max-queue-wait", "-1"), "--max-queue-wait -1: must be positive"),
        (("serve", "--request-timeout", "0"), "--request-timeout 0: must be positive"),
        (("serve", "--send-timeout", "nan"), "--send-timeout nan: must be positive"),
        (("serve", "--trace-max-days", "-0.5"), "--trace-max-days -0.5: must be positive"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_mistake_is_one_line_without_a_traceback(
    arguments: tuple[str, ...],
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert captured.err.startswith("error: ")
    assert len(captured.err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir()), "a refused command left something behind"


@pytest.mark.parametrize("extra", ["train", "gpu", "gguf", "otel"])
def test_what_to_install_is_told_for_this_interpreter_and_names_an_extra_that_exists(extra: str) -> None:
    assert how_to_install(extra).endswith(
        f"{sys.executable} -m pip install -c constraints.txt -e '.[{extra}]'"
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert extra in project["optional-dependencies"]
