"""`flashstep serve` keeps traces, and `flashstep trace` finds them."""

import json
from pathlib import Path

import httpx
import pytest

from cli.test_main import run
from cli.test_serve import served

QUESTION = {
    "model": "step-3.5-flash",
    "messages": [{"role": "user", "content": "how many letters"}],
    "max_tokens": 4,
}


def test_the_trace_id_of_an_answer_leads_to_its_record(
    speaking_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "t.db"
    flags = ("--trace-store", str(store), "--trace-redact", "letters", "--log-format", "json")
    with served(speaking_checkpoint, *flags) as (process, url), httpx.Client(trust_env=False) as client:
        answer = client.post(f"{url}/chat/completions", json=QUESTION, timeout=60).raise_for_status()
        process.terminate()
        assert process.wait(60) == 0
    trace_id = answer.headers["x-trace-id"]
    assert run("trace", trace_id, "--json", "--store", str(store)) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["content"]["messages"][0]["content"] == "how many [redacted]"
    assert record["usage"]["completion_tokens"] == answer.json()["usage"]["completion_tokens"]
    assert (
        record["marks"]["admitted_s"] <= record["marks"]["first_token_s"] <= record["marks"]["last_token_s"]
    )
    assert [phase["name"] for phase in record["phases"]][:3] == ["request", "queue", "prefill"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--trace-max-days", "0"), "--trace-max-days 0: must be positive"),
        (("--trace-redact", "("), "trace_redact: '(' is not a regular expression"),
        (("--otlp-endpoint", "collector"), "otlp_endpoint: 'collector'"),
    ],
)
def test_a_wrong_flag_is_refused_before_a_model_is_loaded(
    flags: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("serve", "--model", "no/such/folder", *flags) == 2
    assert said in capsys.readouterr().err
