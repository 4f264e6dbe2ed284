"""`flashstep eval` of the built-in model through the API comes to the verdicts of the engine beside it."""

import json
from pathlib import Path

import pytest

from flashstep.cli.main import main

FAMILIES = ("letters", "talk_follow_up", "tool_single", "tool_parallel", "tool_chain", "tool_retry")


def result_of(file: Path, *options: str) -> dict:
    families = [option for family in FAMILIES for option in ("--family", family)]
    with pytest.raises(SystemExit) as stopped:
        main(["eval", "core", "tools", *families, "--n", "4", "--out", str(file), *options])
    assert not stopped.value.code
    return json.loads(file.read_text())


@pytest.mark.parametrize("temperature", ["0", "0.9"], ids=["greedy", "sampled"])
def test_the_api_changes_no_verdict(builtin_url, tmp_path, temperature):
    sampled = ("--temperature", temperature)
    engine = result_of(tmp_path / "engine.json", *sampled, "--threads", "1")
    api = result_of(tmp_path / "api.json", *sampled, "--base-url", f"{builtin_url}/v1")
    assert api["families"] == engine["families"]
    accuracies = [row["accuracy"] for f in api["families"].values() for row in f["results"].values()]
    assert max(accuracies) > 0.5, "a model that is never right proves nothing"
    assert api["settings"]["base_url"] == f"{builtin_url}/v1"
