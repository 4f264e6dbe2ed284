"""`flashstep ask` end to end, on a toy model that answers nonsense."""

import io
import json
import sys
from pathlib import Path

import pytest
import torch

from flashstep.cli.main import main

GREEDY = ("--temperature", "0", "--max-tokens", "12", "--threads", "1", "--kv-memory-mib", "64")


def ask(checkpoint: Path, *arguments: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["ask", "--model", str(checkpoint), *GREEDY, *arguments])
    assert not stopped.value.code


def test_json_is_one_object_with_answer_and_counts(speaking_checkpoint, capsys) -> None:
    ask(speaking_checkpoint, "--json", "how many letters")
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    result = json.loads(out)
    assert result["finish_reason"] in ("stop", "length")
    assert 1 <= result["completion_tokens"] <= 12
    assert result["prompt_tokens"] > 0
    assert result.keys() >= {"reasoning", "content", "reasoning_tokens", "tokens_per_second"}


def test_greedy_answers_are_the_same_with_and_without_drafts(speaking_checkpoint, capsys) -> None:
    answers = []
    for flag in ("--drafts", "--no-drafts"):
        ask(speaking_checkpoint, flag, "--json", "how many letters")
        result = json.loads(capsys.readouterr().out)
        answers.append((result["reasoning"], result["content"], result["completion_tokens"]))
    assert answers[0] == answers[1]


def test_the_question_can_come_from_standard_input(speaking_checkpoint, capsys, monkeypatch) -> None:
    ask(speaking_checkpoint, "--json", "how many letters")
    as_argument = json.loads(capsys.readouterr().out)
    monkeypatch.setattr("sys.stdin", io.StringIO("how many letters"))
    ask(speaking_checkpoint, "--json", "-")
    piped = json.loads(capsys.readouterr().out)
    assert piped["prompt_tokens"] == as_argument["prompt_tokens"]
    assert piped["reasoning"] == as_argument["reasoning"]


def test_the_counts_end_a_streamed_answer_and_no_trace_id_that_leads_nowhere(
    speaking_checkpoint, capsys
) -> None:
    ask(speaking_checkpoint, "how many letters")
    err = capsys.readouterr().err
    assert "tokens (" in err.splitlines()[-1]
    assert "trace" not in err


def test_the_torch_runner_gives_the_same_answer(speaking_checkpoint, capsys) -> None:
    answers = []
    for arguments in ((), ("--runner", "torch", "--device", "cpu")):
        ask(speaking_checkpoint, *arguments, "--weight-format", "float32", "--json", "how many letters")
        result = json.loads(capsys.readouterr().out)
        answers.append((result["reasoning"], result["content"], result["completion_tokens"]))
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--runner", "torch"), "no CUDA device can be used: check that nvidia-smi lists one"),
        (("--device", "cuda"), "--device cuda: the compiled CPU kernels have none; add --runner torch"),
    ],
)
def test_a_device_that_is_not_there_is_told_with_what_to_do(
    speaking_checkpoint, capsys, arguments, message
) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(SystemExit) as stopped:
        main(["ask", "--model", str(speaking_checkpoint), *GREEDY, *arguments, "how many"])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_without_torch_the_runner_says_what_to_install(speaking_checkpoint, capsys, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "flashstep.engine.runner_torch", raising=False)
    with pytest.raises(SystemExit) as stopped:
        main(["ask", "--model", str(speaking_checkpoint), *GREEDY, "--runner", "torch", "how many"])
    assert stopped.value.code == 2
    assert "-m pip install -c constraints.txt -e '.[gpu]'" in capsys.readouterr().err
