"""schemathesis against `/openapi.json`, with all its checks, over a real tokenizer and template."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flashstep.backends.chat_model import ChatModel
from flashstep.backends.scripted import ScriptedBackend
from flashstep.chat.template import ChatTemplate, builtin_template
from flashstep.chat.tokenizer import Tokenizer
from flashstep.server.settings import ServerSettings
from flashstep.training.tokenizer import save_tokenizer, train_tokenizer
from server.running_server import RunningServer, serving

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
KEY = "key-of-the-test"
ANSWER = "s, t, r: one. Two more follow.\n</think>\nThere are 3 r."


@pytest.fixture(scope="module")
def target(tmp_path_factory) -> Iterator[RunningServer]:
    path = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(train_tokenizer(["there are three"], 400), path, builtin_template())
    tokenizer = Tokenizer.load(path)
    backend = ScriptedBackend(
        tokenizer, [ANSWER], model_name="flashstep-nano", context_length=200_000, tokens_per_output=5
    )
    model = ChatModel(backend, tokenizer, ChatTemplate(builtin_template(), tokenizer), frozenset())
    with serving(model, ServerSettings(api_keys=(KEY,), json_mode=True)) as server:
        yield server


def test_the_server_keeps_what_the_document_promises(target, tmp_path):
    program = Path(sys.executable).parent / "schemathesis"
    command = [program, "--config-file", HERE / "schemathesis.toml", "run", f"{target.url}/openapi.json"]
    command += ["--checks", "all", "--header", f"Authorization: Bearer {KEY}", "--no-color"]
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(HERE)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=500
    )
    report = done.stdout[-20_000:] + done.stderr[-2_000:]
    assert done.returncode == 0, report
    found = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert found, report
    print(f"schemathesis: {found[0]}")
    assert int(found[1]) > 1000
