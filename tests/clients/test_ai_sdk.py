"""The AI SDK of the JavaScript world, whose schemas reject a chunk that is not exactly right."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).parent / "node"
HELLO = "Hello there, how are you today?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The program beside its installed packages."""
    path = tmp_path_factory.mktemp("node")
    shutil.copytree(PROGRAM, path, dirs_exist_ok=True)
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"]
    subprocess.run(command, cwd=path, check=True, capture_output=True, timeout=300)
    return path


def test_texts_reasoning_tools_and_usage_arrive_whole_and_streamed(folder, agentlike_url):
    command = ["node", "ai_sdk.mjs", f"{agentlike_url}/v1"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    seen = json.loads(run.stdout)
    assert seen["errors"] == []
    for answer in (seen["plain"], seen["streamed"]):
        assert answer["text"] == HELLO
        assert answer["reasoning"] == "There is nothing to look up."
        assert answer["finish"] == "stop"
        assert answer["usage"]["inputTokens"] > 0 < answer["usage"]["outputTokens"]
    assert seen["asked"] == ["Paris", "Paris"]
    for loop in (seen["looped"], seen["streamedLoop"]):
        assert loop["text"] == "It says: rainy"
        assert loop["steps"] == ["tool-calls", "stop"]
