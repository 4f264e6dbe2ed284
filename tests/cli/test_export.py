"""`flashstep export`: the file, the line about it, and errors in one line."""

from pathlib import Path

import gguf
import pytest

from flashstep.cli.main import main


def run(*arguments: str) -> int:
    """The exit code of the command line, run in this process."""
    with pytest.raises(SystemExit) as stopped:
        main(["export", *arguments])
    return int(stopped.value.code or 0)


def test_the_built_in_model_becomes_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "nano.gguf"
    assert run("--out", str(file)) == 0
    assert capsys.readouterr().out == f"{file} ({file.stat().st_size / 1e6:.1f} MB)\n"
    assert gguf.GGUFReader(file).fields["general.architecture"].contents() == "step35"


def test_a_place_that_cannot_be_written_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def on_a_full_disk(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("flashstep.export.gguf.write_gguf", on_a_full_disk)
    assert run("--out", "a.gguf") == 2
    error = capsys.readouterr().err
    assert "cannot be written" in error
    assert "choose another --out" in error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nope", "--out", "x.gguf"), "error: MODEL nope: no such folder"),
        (("--out", "none/a.gguf"), "error: --out none/a.gguf: no such folder as none; make it first"),
        (("--out", "."), "error: --out .: that is a folder; name a file in it"),
    ],
)
def test_a_wrong_folder_is_told_with_who_named_it(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    assert said in capsys.readouterr().err


def test_a_type_that_is_not_offered_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--out", "x.gguf", "--type", "q2_k") == 2
    assert "q2_k" in capsys.readouterr().err
