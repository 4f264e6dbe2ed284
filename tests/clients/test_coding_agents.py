"""Claude Code and Codex themselves, each through a whole turn: question, tool call, result, answer."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clients.agentlike import model
from flashstep.server.settings import ServerSettings
from server.running_server import serving
from server.scripted_model import small_tokenizer

pytestmark = pytest.mark.slow

VERSIONS = ("@anthropic-ai/claude-code@2.1.197", "@openai/codex@0.169.0")
CODEX_CONFIG = """
model = "step-3.5-flash"
model_provider = "flashstep"
[model_providers.flashstep]
name = "flashstep"
base_url = "{url}/v1"
wire_api = "responses"
"""
SECRET = "the heron sleeps at noon"
_RESULT = re.compile(r"<tool_response>\n?(.*?)\n?</tool_response>", re.DOTALL)


def reads(file: Path) -> Callable[[str], str]:
    """A model that reads `file` with whichever tool the agent has, and then says what was in it."""
    calls = {"Read": ("file_path", str(file)), "exec_command": ("cmd", f"cat {file}")}

    def answer(prompt: str) -> str:
        results = _RESULT.findall(prompt.rpartition("<|im_start|>assistant")[0])
        if results:
            return f"Now I know.\n</think>\nIt says: {results[-1].strip()}"
        for name, (parameter, value) in calls.items():
            if f'"name": "{name}"' in prompt:
                call = f"<function={name}>\n<parameter={parameter}>\n{value}\n</parameter>\n</function>"
                return f"I read it.\n</think>\n<tool_call>\n{call}\n</tool_call>"
        return "No tool.\n</think>\nHello."

    return answer


@pytest.fixture(scope="module")
def binaries(tmp_path_factory) -> Path:
    """The folder with both programs."""
    path = tmp_path_factory.mktemp("agents")
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", *VERSIONS]
    subprocess.run(command, cwd=path, check=True, capture_output=True, timeout=600)
    install = [path / "node_modules/@anthropic-ai/claude-code/install.cjs"]
    subprocess.run(["node", *install], cwd=install[0].parent, check=True, capture_output=True, timeout=300)
    return path / "node_modules/.bin"


@pytest.fixture
def project(tmp_path) -> Path:
    """A folder with the file that the question is about."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "secret.txt").write_text(f"{SECRET}\n", encoding="utf-8")
    return tmp_path / "project"


@pytest.fixture
def url(project) -> Iterator[str]:
    """A server (without /v1) whose model reads the project's file."""
    played = model(small_tokenizer(), answer=reads(project / "secret.txt"), context_length=1_000_000)
    with serving(played, ServerSettings()) as server:
        yield server.url


def run(command: list[str | Path], project: Path, **variables: str) -> str:
    """Standard output of an agent that has a home of its own."""
    variables |= {"HOME": str(project.parent), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        command, cwd=project, env=variables, capture_output=True, text=True, timeout=240, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def test_claude_code_reads_a_file_and_tells_what_it_says(binaries, project, url):
    command = [binaries / "claude", "-p", "What does secret.txt say?", "--output-format", "json"]
    told = json.loads(
        run(
            [*command, "--allowedTools", "Read"],
            project,
            ANTHROPIC_BASE_URL=url,
            ANTHROPIC_AUTH_TOKEN="none",
            ANTHROPIC_MODEL="step-3.5-flash",
            ANTHROPIC_DEFAULT_HAIKU_MODEL="step-3.5-flash",
            CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
        )
    )
    assert SECRET in told["result"]
    assert (told["is_error"], told["num_turns"], told["stop_reason"]) == (False, 2, "end_turn")


def test_codex_runs_a_command_and_tells_what_it_printed(binaries, project, url):
    config = project.parent / ".codex" / "config.toml"
    config.parent.mkdir()
    config.write_text(CODEX_CONFIG.format(url=url), encoding="utf-8")
    command = [binaries / "codex", "exec", "--json", "--skip-git-repo-check"]
    bypass = "--dangerously-bypass-approvals-and-sandbox"  # `cat` of one file; machines differ in sandboxes
    lines = run([*command, bypass, "What does secret.txt say?"], project).splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]
    items = [event["item"] for event in events if event["type"] == "item.completed"]
    assert [SECRET in item["text"] for item in items if item["type"] == "agent_message"] == [True]
    assert [item["exit_code"] for item in items if item["type"] == "command_execution"] == [0]
    assert events[-1]["type"] == "turn.completed"
