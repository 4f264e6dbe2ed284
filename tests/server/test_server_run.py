"""`serve.run` in a process of its own: ready, serving, stopped by a signal without cutting answers."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from server.running_server import ask

PROGRAM = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from flashstep.server.app import create_app
from flashstep.server.serve import run
from flashstep.server.settings import ServerSettings
from flashstep.types import Finish, TextDelta
from server.running_server import PlayedModel

async def pause():
    await asyncio.sleep(0.3)

model = PlayedModel()
model.script = [TextDelta("first"), pause, TextDelta("last"), Finish("stop")]
ready = lambda url: print(url, flush=True)
run(create_app(model, settings=ServerSettings()), port=0, on_ready=ready)
assert "torch" not in sys.modules, "the service must not import torch"
print("closed", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_signal_lets_running_answers_end_and_returns(number):
    tests = str(Path(__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, tests], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process, httpx.Client(timeout=20) as client:
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        with client.stream("POST", f"{url}/chat/completions", json=ask(stream=True)) as response:
            lines = response.iter_lines()
            while "first" not in next(lines):
                pass
            process.send_signal(number)
            rest = list(lines)
        log = process.stderr.read()
        assert any("last" in line for line in rest)
        assert rest[-2:] == ["data: [DONE]", ""]
        assert process.stdout.read() == "closed\n"
    assert process.returncode == 0, log
    trace_id = json.loads(next(line for line in rest if "last" in line)[6:])["trace_id"]
    assert f"[{trace_id}] flashstep.server.access: POST /v1/chat/completions 200" in log
