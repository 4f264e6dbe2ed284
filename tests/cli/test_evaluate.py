"""`flashstep eval` end to end, on a toy model that answers nonsense."""

import json
import sys

import pytest

from flashstep.cli.main import main

SMALL = ("--n", "2", "--max-tokens", "8", "--threads", "1")


def run(checkpoint, *arguments) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(
            [
                "eval",
                *arguments,
                "--model",
                str(checkpoint),
                "--n",
                "2",
                "--max-tokens",
                "8",
                "--threads",
                "1",
            ]
        )
    return int(stopped.value.code or 0)


def test_an_evaluation_writes_its_figures_failures_and_picture(speaking_checkpoint, tmp_path, capsys) -> None:
    result_file, failures_file = tmp_path / "result.json", tmp_path / "failures.jsonl"
    picture = tmp_path / "result.png"
    files = ("--out", str(result_file), "--failures", str(failures_file), "--png", str(picture))
    families = ("--family", "letters", "--family", "tool_single", "--family", "long_fact")
    lengths = ("--long-tokens", "600", "--long-tokens", "900")
    assert run(speaking_checkpoint, "core", "tools", "long", *families, *lengths, *files) == 0
    result = json.loads(result_file.read_text())
    assert result["settings"]["long_tokens"] == [600, 900]
    assert result["families"].keys() == {"letters", "tool_single", "long_fact"}
    assert result["families"]["long_fact"]["results"].keys() == {"long_fact@600", "long_fact@900"}
    rows = [row for entry in result["families"].values() for row in entry["results"].values()]
    assert all(row["n"] == 2 for row in rows)
    num_wrong = sum(round(2 * (1 - row["accuracy"])) for row in rows)
    assert num_wrong > 0
    assert len(failures_file.read_text().splitlines()) == num_wrong
    assert "long_fact@900" in capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_one_json_object_says_what_the_file_says(speaking_checkpoint, tmp_path, capsys) -> None:
    file = tmp_path / "result.json"
    asked = ("core", "--family", "units", "--family", "letters", "--out", str(file))
    assert run(speaking_checkpoint, *asked, "--json") == 0
    assert json.loads(capsys.readouterr().out) == json.loads(file.read_text())


def test_what_training_asks_is_asked_on_demand_and_kept_apart(speaking_checkpoint, tmp_path, capsys) -> None:
    file = tmp_path / "result.json"
    asked = ("core", "gym", "--family", "letters", "--family", "gym/chain_sum", "--out", str(file))
    assert run(speaking_checkpoint, *asked, "--seen") == 0
    assert "as training asks" in capsys.readouterr().out
    result = json.loads(file.read_text())
    assert result["settings"]["split"] == "train"
    rows = {
        label: row["n"] for entry in result["families"].values() for label, row in entry["results"].items()
    }
    assert rows == {"letters": 2, "letters@13-16": 2, "gym/chain_sum": 2}
    questions = [f["question"] for entry in result["families"].values() for f in entry["failures"]]
    assert run(speaking_checkpoint, *asked) == 2
    assert "split" in capsys.readouterr().err
    assert questions  # a toy model: it fails at both kinds


def test_an_evaluation_goes_on_where_it_was_stopped(speaking_checkpoint, tmp_path, capsys) -> None:
    file = tmp_path / "result.json"
    assert run(speaking_checkpoint, "core", "--family", "letters", "--out", str(file)) == 0
    known = json.loads(file.read_text())
    known["families"]["letters"]["results"]["letters"]["mean_reasoning_tokens"] = 1234.5
    file.write_text(json.dumps(known))
    both = ("--family", "units", "--family", "letters", "--out", str(file))
    assert run(speaking_checkpoint, "core", *both) == 0
    assert json.loads(file.read_text())["families"].keys() == {"letters", "units"}
    table = capsys.readouterr().out
    assert "1234.5" in table
    assert table.rindex("units") < table.rindex("letters")


def test_results_of_other_settings_are_not_mixed_in(speaking_checkpoint, tmp_path, capsys) -> None:
    file = tmp_path / "result.json"
    assert run(speaking_checkpoint, "core", "--family", "letters", "--out", str(file)) == 0
    assert run(speaking_checkpoint, "core", "--family", "units", "--seed", "1", "--out", str(file)) == 2
    assert "holds results with seed 0, this run has 1" in capsys.readouterr().err
    file.write_text("[]")
    assert run(speaking_checkpoint, "core", "--family", "units", "--out", str(file)) == 2
    assert "is no result of an evaluation" in capsys.readouterr().err


def test_an_unknown_suite_is_told_with_the_known_ones(speaking_checkpoint, capsys) -> None:
    assert run(speaking_checkpoint, "chess") == 2
    assert "no suite is called 'chess'; there are: core, tools, long, gym" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--out", "--png", "--failures"])
def test_a_folder_that_does_not_exist_is_told_before_anything_is_asked(capsys, flag) -> None:
    assert run("no/such/model", "core", flag, "none/file.png") == 2
    assert f"error: {flag} none/file.png: no such folder as none; make it first" in capsys.readouterr().err


def test_a_picture_that_cannot_be_drawn_is_told_before_anything_is_asked(
    capsys, tmp_path, monkeypatch
) -> None:
    assert run("no/such/model", "core", "--png", str(tmp_path / "a.foo")) == 2
    assert "no picture can end in .foo; choose one of" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "matplotlib.backend_bases", None)
    assert run("no/such/model", "core", "--png", str(tmp_path / "a.png")) == 2
    assert "a picture needs matplotlib; run in the folder of flashstep's sources" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--concurrency", "4"), "--concurrency 4: it belongs to a server, add --base-url"),
        (("--base-url", "http://127.0.0.1:9/v1"), "--threads 1: a server has its own, leave it out"),
    ],
)
def test_flags_of_the_other_place_are_refused(speaking_checkpoint, capsys, flags, told) -> None:
    assert run(speaking_checkpoint, "core", *flags) == 2
    assert told in capsys.readouterr().err


def test_a_server_that_is_not_there_is_told(speaking_checkpoint, capsys) -> None:
    command = ["eval", "core", "--family", "letters", "--n", "2", "--model", str(speaking_checkpoint)]
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--base-url", "http://127.0.0.1:9/v1"])
    assert stopped.value.code == 1
    assert "http://127.0.0.1:9/v1/chat/completions cannot be reached" in capsys.readouterr().err
