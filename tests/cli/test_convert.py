"""`flashstep convert`: where it writes, what it says, and that the next load maps the file."""

from pathlib import Path

import pytest

from flashstep.cli.main import main


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "flashstep" / "weights"


def run(*arguments: str) -> int:
    """The exit code of the command line, run in this process."""
    with pytest.raises(SystemExit) as stopped:
        main(["convert", *arguments])
    return int(stopped.value.code or 0)


def test_it_packs_into_the_cache_as_int8_by_default(
    speaking_checkpoint: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(str(speaking_checkpoint)) == 0
    [file] = cache.iterdir()
    assert file.name.startswith("toy-")
    assert file.name.endswith("-int8.packed")
    assert capsys.readouterr().out.startswith(f"{file} (")


def test_it_packs_into_a_named_folder_in_a_named_format(
    speaking_checkpoint: Path, cache: Path, tmp_path: Path
) -> None:
    assert run(str(speaking_checkpoint), "--weight-format", "int4", "--out", str(tmp_path / "new")) == 0
    [file] = (tmp_path / "new").iterdir()
    assert file.name == "int4.packed"
    assert not cache.exists()


def test_a_place_that_cannot_be_written_is_one_line(
    speaking_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert run(str(speaking_checkpoint), "--out", str(tmp_path / "file")) == 2
    assert "error: packed weights cannot be written" in capsys.readouterr().err


def test_a_folder_that_does_not_exist_is_named_as_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("nope") == 2
    assert "error: MODEL nope: no such folder" in capsys.readouterr().err


def test_an_unknown_format_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--weight-format", "int3") == 2
    assert "int3" in capsys.readouterr().err
