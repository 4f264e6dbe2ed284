"""`flashstep bench` on a toy model with tiny loads: what is measured, and how it is told."""

import json
from pathlib import Path
from typing import Any

import pytest

from flashstep.bench.context import context_lengths
from flashstep.bench.figure import Figure
from flashstep.bench.offline import draft_facts
from flashstep.bench.prompts import Prompts
from flashstep.cli.main import main
from flashstep.engine.metrics import Metrics
from flashstep.kernels.cpu import HAS_AMX

SMALL = (
    "--threads", "1", "--kv-memory-mib", "64", "--rounds", "2", "--prompt-tokens", "24",
    "--output-tokens", "8", "--streams", "2", "--long-prompt", "40", "--longest-context", "1500",
)  # fmt: skip


def bench(checkpoint: Path, *arguments: str) -> int:
    """The exit code of the command with tiny loads, which `arguments` may override."""
    with pytest.raises(SystemExit) as stopped:
        main(["bench", *SMALL, "--model", str(checkpoint), *arguments])
    return int(stopped.value.code or 0)


def figures_of(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {figure["name"]: figure for figure in result["figures"]}


def test_everything_is_measured_and_told_in_one_json_line(speaking_checkpoint, tmp_path, capsys) -> None:
    file = tmp_path / "result.json"
    assert bench(speaking_checkpoint, "all", "--out", str(file)) == 0
    *text, line = capsys.readouterr().out.splitlines()
    result = json.loads(line)
    assert json.loads(file.read_text()) == result
    assert text[0] == "ceilings, 1 threads"
    assert result["model"] == "toy"
    assert result["ceilings"]["num_threads"] == result["engine"]["num_threads"] == 1
    names = [name for name in figures_of(result) if "answer goes on" not in name]  # where drafts are made
    assert names == [
        "first token, 1 stream", "decode, 1 stream", "waking, 1 row", "output, 2 streams",
        "prefill, 40 tokens",
        "product, queries, keys, values", "product, an expert",
        "engine alone, 2 streams", "through HTTP, 2 streams", "HTTP / engine alone, 2 streams",
        "first token through HTTP, 2 streams", "idle server", "loading", "decode step behind 1024 tokens",
        "decode step behind 1500 tokens",
    ]  # fmt: skip
    decode, together = (figures_of(result)[name] for name in ("decode, 1 stream", "output, 2 streams"))
    assert decode["drafting"] == ("acceptance_length" in decode["details"])
    assert together["drafting"] == ("acceptance_length" in together["details"])
    for figure in result["figures"]:
        assert len(figure["samples"]) == 2
        assert figure["min"] <= figure["median"] <= figure["max"]
        assert figure["min"] > 0 or figure["name"] in ("waking, 1 row", "idle server")
        assert any(figure["name"] in shown for shown in text)


def test_shares_of_the_ceilings_follow_from_bytes_and_multiply_adds(speaking_checkpoint, capsys) -> None:
    shares, ceilings = {}, {}
    for mode in ("latency", "prefill"):
        assert bench(speaking_checkpoint, mode, "--no-drafts") == 0
        result = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert not any(figure["drafting"] for figure in result["figures"])
        shares |= figures_of(result)
        ceilings[mode] = result["ceilings"]
    decode = shares["decode, 1 stream"]
    read = decode["median"] * ceilings["latency"]["weights_bytes"]
    assert decode["of_ceiling"] == {
        "memory bandwidth": pytest.approx(read / ceilings["latency"]["memory_bytes_per_s"]),
        "weight bandwidth": pytest.approx(read / ceilings["latency"]["weights_bytes_per_s"]),
    }
    prefill = shares["prefill, 40 tokens"]["of_ceiling"]
    assert list(prefill) == ["int8 peak of tiles" if HAS_AMX else "int8 peak"]
    assert all(share > 0 for share in prefill.values())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("throughput", "--streams", "100"), "streams is 100; the engine computes 64 at once"),
        (("latency", "--prompt-tokens", "9000"), "prompt and output are 9008 tokens"),
        (("prefill", "--long-prompt", "8192"), "the long prompt and its output are 8197 tokens"),
        (("latency", "--out", "no/such/folder/result.json"), "no such folder as no/such/folder"),
        (("latency", "--out", "."), "--out .: that is a folder; name a file in it"),
        (("latency", "--kv-memory-mib", "1"), "raise kv_memory_bytes"),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else None,
)
def test_a_load_that_cannot_run_is_refused_in_one_line(
    arguments: tuple[str, ...], said: str, speaking_checkpoint, capsys
) -> None:
    assert bench(speaking_checkpoint, *arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err


def test_prompts_have_the_length_asked_for_and_never_begin_alike(tokenizer_folder: Path) -> None:
    prompts, again = Prompts(tokenizer_folder, seed=3), Prompts(tokenizer_folder, seed=3)
    made = [prompts.next(length) for length in (1, 50, 700, 50)]
    assert [len(prompt) for prompt in made] == [1, 50, 700, 50]
    assert made[1][:16] != made[3][:16]
    assert made == [again.next(length) for length in (1, 50, 700, 50)]
    assert max(map(max, made)) < prompts.num_valid_tokens


def test_context_lengths_end_where_asked() -> None:
    assert context_lengths(131072) == [1024, 4096, 16384, 65536, 131072]
    assert context_lengths(4096) == [1024, 4096]
    assert context_lengths(700) == [700]


def test_a_figure_is_one_line_with_its_spread_shares_and_facts() -> None:
    figure = Figure(
        name="decode", unit="tokens/s", samples=[1200.0, 900.0, 1000.0], drafting=True,
        of_ceiling={"bandwidth": 0.5}, details={"rates": [0.25, 0.125], "prompt_tokens": 12},
    )  # fmt: skip
    assert figure.line() == (
        "decode: 1,000 tokens/s (min 900, max 1,200); 50% of bandwidth; rates 0.25/0.125; "
        "prompt tokens 12; drafting on"
    )


def test_the_torch_runner_is_measured_alike(speaking_checkpoint, capsys) -> None:
    names = []
    for mode in ("latency", "context"):
        assert bench(speaking_checkpoint, mode, "--runner", "torch", "--device", "cpu") == 0
        result = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert (result["engine"]["runner"], result["engine"]["weight_format"]) == ("torch", "bf16")
        names += figures_of(result)
    assert names == [
        "first token, 1 stream", "decode, 1 stream", "waking, 1 row", "loading",
        "decode step behind 1024 tokens", "decode step behind 1500 tokens",
    ]  # fmt: skip


def test_accepted_drafts_are_told_by_position() -> None:
    before, after = Metrics.for_drafts(3), Metrics.for_drafts(3)
    before.count_verification(3, 3)
    for num_accepted in (3, 3, 1, 0):
        after.count_verification(3, num_accepted)
    assert draft_facts(before, before) == {}, "nothing was drafted in between"
    assert draft_facts(before, after) == {
        "acceptance_length": 1 + (6 + 1 - 3) / 3,
        "acceptance_rate_by_position": [2 / 3, 1 / 3, 1 / 3],
    }
