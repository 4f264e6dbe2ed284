"""SIGTERM: new requests are refused, running ones end, the rest is broken off after the grace."""

import json
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx

from server.running_server import ask

PROGRAM = """
import asyncio, os, sys
sys.path.insert(0, sys.argv[1])
from flashstep.server.app import create_app
from flashstep.server.limits.settings import LimitSettings
from flashstep.server.serve import run
from flashstep.server.settings import ServerSettings
from flashstep.types import Finish, TextDelta
from server.running_server import PlayedModel, forever

async def wait_for_file():
    while not os.path.exists(sys.argv[2]):
        await asyncio.sleep(0.01)

model = PlayedModel()
model.max_concurrency = int(sys.argv[4])
model.script = [TextDelta("first"), wait_for_file, TextDelta("last"), Finish("stop")]
ready = lambda url: print(url, flush=True)
limits = LimitSettings(shutdown_grace_s=float(sys.argv[3]))
run(create_app(model, settings=ServerSettings()), port=0, on_ready=ready, limits=limits)
print("closed", flush=True)
"""


@contextmanager
def process(go, grace_s, places=64):
    """A server process whose answers end when the file `go` exists, and its URL."""
    command = [
        sys.executable,
        "-c",
        PROGRAM,
        str(Path(__file__).parents[2]),
        str(go),
        str(grace_s),
        str(places),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        try:
            yield running, running.stdout.readline().strip()
        finally:
            running.kill()


def first_of(lines):
    while "first" not in next(lines):
        pass


def draining(root):
    """The answer of /ready once the signal has been obeyed."""
    while (answer := httpx.get(f"{root}/ready", timeout=20)).status_code == 200:
        pass
    return answer


def test_while_running_answers_end_new_requests_are_refused_with_503(tmp_path):
    go = tmp_path / "go"
    with process(go, 60) as (server, url), httpx.Client(timeout=20) as client:
        root = url.removesuffix("/v1")
        with client.stream("POST", f"{url}/chat/completions", json=ask(stream=True)) as response:
            lines = response.iter_lines()
            first_of(lines)
            server.send_signal(signal.SIGTERM)
            assert draining(root).status_code == 503
            assert httpx.get(f"{root}/health").status_code == 200
            refused = httpx.post(f"{url}/chat/completions", json=ask())
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) >= 1
            assert "stopping" in refused.json()["error"]["message"]
            go.touch()
            rest = [line for line in lines if line]
        assert rest[-1] == "data: [DONE]"
        assert server.wait(timeout=20) == 0
        assert server.stdout.read() == "closed\n"


def test_all_prompts_of_a_running_call_are_answered(tmp_path):
    """The first two run when the signal comes, the others begin after it."""
    go = tmp_path / "go"
    with process(go, 60, places=2) as (server, url), ThreadPoolExecutor(1) as pool:
        body = {"model": "step-3.5-flash", "prompt": ["a", "b", "c", "d", "e"], "max_tokens": 5}
        asked = pool.submit(httpx.post, f"{url}/completions", json=body, timeout=20)
        until_two_run(url)
        server.send_signal(signal.SIGTERM)
        draining(url.removesuffix("/v1"))
        go.touch()
        assert len(asked.result().raise_for_status().json()["choices"]) == 5
        assert server.wait(timeout=20) == 0


def test_after_the_grace_what_still_runs_is_broken_off_with_an_error(tmp_path):
    with process(tmp_path / "never", 0.3) as (server, url), httpx.Client(timeout=20) as client:
        whole = []
        asking = threading.Thread(
            target=lambda: whole.append(httpx.post(f"{url}/chat/completions", json=ask(), timeout=20))
        )
        asking.start()
        with client.stream("POST", f"{url}/chat/completions", json=ask(stream=True)) as streamed:
            lines = streamed.iter_lines()
            first_of(lines)
            until_two_run(url)
            server.send_signal(signal.SIGTERM)
            last = [line for line in lines if line][-1]
        asking.join()
        assert "the server was stopped" in json.loads(last.removeprefix("data: "))["error"]["message"]
        assert whole[0].status_code == 503
        assert "the server was stopped" in whole[0].json()["error"]["message"]
        assert server.wait(timeout=20) == 0
        assert server.stdout.read() == "closed\n"


def until_two_run(url):
    while 'flashstep_queue_places_taken{model="flashstep-nano"} 2.0' not in metrics(url):
        pass


def metrics(url):
    return httpx.get(f"{url.removesuffix('/v1')}/metrics", timeout=20).text


def test_a_second_signal_ends_at_once(tmp_path):
    with process(tmp_path / "never", 60) as (server, url), httpx.Client(timeout=20) as client:
        with client.stream("POST", f"{url}/chat/completions", json=ask(stream=True)) as streamed:
            lines = streamed.iter_lines()
            first_of(lines)
            server.send_signal(signal.SIGTERM)
            draining(url.removesuffix("/v1"))
            server.send_signal(signal.SIGTERM)
            last = [line for line in lines if line][-1]
        assert "the server was stopped" in last
        assert server.wait(timeout=20) == 0
