"""The exported built-in model in llama.cpp: the same tokens for a text, the same greedy answers.

Needs `llama-server`, on PATH or where FLASHSTEP_PEERS has its build.
"""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from flashstep.chat.tokenizer import Tokenizer
from flashstep.cli.model_path import resolve_model_path
from flashstep.engine.llm import LLM
from flashstep.export.gguf import write_gguf
from flashstep.types import SamplingParams

pytestmark = pytest.mark.slow

FOLDER = resolve_model_path(None)
NUM_PROMPTS, NUM_TOKENS = 50, 80
EXACT = ("-ctk", "f32", "-ctv", "f32", "-fa", "off", "-c", "4096", "-np", "1", "-t", "2")


def llama_server() -> str | None:
    """Where the program is, if it is anywhere."""
    peers = Path(os.environ.get("FLASHSTEP_PEERS", "~/.cache/flashstep-peers")).expanduser()
    return shutil.which("llama-server", path=f"{os.environ['PATH']}:{peers / 'llamacpp-build' / 'bin'}")


@pytest.fixture(scope="module")
def base_url(tmp_path_factory):
    """A llama-server with the exported model in float32."""
    if (program := llama_server()) is None:
        pytest.skip("llama-server is neither on PATH nor under FLASHSTEP_PEERS")
    folder = tmp_path_factory.mktemp("llama")
    write_gguf(FOLDER, folder / "nano.gguf", "f32")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [program, "-m", str(folder / "nano.gguf"), "--host", "127.0.0.1", "--port", str(port), *EXACT]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            yield wait_for(f"http://127.0.0.1:{port}", server, folder / "log")
        finally:
            server.kill()


def wait_for(url: str, server: subprocess.Popen, log: Path) -> str:
    for _ in range(300):
        assert server.poll() is None, log.read_text()[-2000:]
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return url
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"llama-server did not start: {log.read_text()[-2000:]}")


def post(url: str, body: dict) -> dict:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def prompts(built_in_prompts):
    return built_in_prompts(NUM_PROMPTS, seed=6)


def test_texts_become_the_same_tokens(base_url, prompts):
    tokenizer = Tokenizer.load(FOLDER)
    for ids in prompts:
        body = {"content": tokenizer.decode(ids), "parse_special": True}
        assert post(f"{base_url}/tokenize", body)["tokens"] == list(ids)


def test_fifty_greedy_answers_are_those_of_llama_cpp(base_url, prompts):
    params = SamplingParams(temperature=0.0, max_tokens=NUM_TOKENS, repetition_guard=False)
    with LLM.load(FOLDER, weight_format="float32", num_valid_tokens=Tokenizer.load(FOLDER).vocab_size) as llm:
        ours = [list(completion.token_ids) for completion in llm.generate(prompts, params)]
    assert sum(map(len, ours)) > 20 * NUM_PROMPTS
    for ids, answer in zip(prompts, ours, strict=True):
        body = {"prompt": list(ids), "n_predict": NUM_TOKENS, "temperature": 0.0, "top_k": 1}
        body |= {"cache_prompt": False, "return_tokens": True}
        tokens = post(f"{base_url}/completion", body)["tokens"]
        # Which of the two counts the token that ends an answer is a matter of taste.
        assert [t for t in tokens if t not in (1, 2, 4)] == [t for t in answer if t not in (1, 2, 4)]
