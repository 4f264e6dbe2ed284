"""A server with one place: who waits is told, who cannot be taken gets 503, who leaves makes room."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from flashstep.server.limits.settings import LimitSettings
from flashstep.server.settings import ServerSettings
from flashstep.types import Finish, TextDelta
from server.running_server import PlayedModel, ask, serving


class Gated(PlayedModel):
    """Computes one answer at a time, each as long as the gate is closed."""

    max_concurrency = 1

    def __init__(self):
        super().__init__()
        self.gate = threading.Event()
        self.script = [TextDelta("x"), self.pass_gate, Finish("stop")]

    async def pass_gate(self):
        import asyncio

        while not self.gate.is_set():
            await asyncio.sleep(0.005)


def gated(**limits):
    settings = ServerSettings(limits=LimitSettings(**limits), keep_alive_s=0.05)
    return serving(Gated(), settings)


def waiting(server):
    """How many requests the server says are waiting."""
    lines = server.get("/metrics").text.splitlines()
    return next(
        float(line.split()[-1]) for line in lines if line.startswith("flashstep_num_requests_waiting{")
    )


def until(condition):
    while not condition():
        threading.Event().wait(0.01)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_who_waits_is_answered_later_and_told_the_position(stream):
    with gated() as server, ThreadPoolExecutor(3) as pool:
        answers = []
        for number in range(3):
            answers.append(pool.submit(server.post, ask(stream=stream)))
            until(lambda number=number: len(server.model.calls) + waiting(server) == number + 1)
        assert len(server.model.calls) == 1
        server.model.gate.set()
        positions = [answer.result().headers.get("x-flashstep-queue-position") for answer in answers]
        assert positions == [None, "1", "2"]
        assert {answer.result().status_code for answer in answers} == {200}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_beyond_the_queue_it_is_503_with_retry_after(stream):
    with gated(max_waiting=0) as server, ThreadPoolExecutor(1) as pool:
        first = pool.submit(server.post, ask())
        assert server.model.arrived.acquire(timeout=10)
        refused = server.post(ask(stream=stream))
        server.model.gate.set()
        assert first.result().status_code == 200
    assert refused.status_code == 503
    assert refused.json()["error"]["type"] == "overloaded"
    assert int(refused.headers["retry-after"]) >= 1
    assert "0 requests are waiting already, its limit" in refused.json()["error"]["message"]


def test_a_stream_that_waited_too_long_still_gets_its_status_not_a_comment():
    with gated(max_queue_wait_s=0.3) as server, ThreadPoolExecutor(1) as pool:
        first = pool.submit(server.post, ask())
        assert server.model.arrived.acquire(timeout=10)
        refused = server.post(ask(stream=True))
        server.model.gate.set()
        assert first.result().status_code == 200
    assert refused.status_code == 503
    assert "no place became free within 0.3 seconds" in refused.json()["error"]["message"]
    assert refused.headers["x-flashstep-queue-position"] == "1"


def test_a_waiting_client_that_leaves_leaves_the_queue_at_once():
    with gated() as server, ThreadPoolExecutor(1) as pool:
        first = pool.submit(server.post, ask())
        assert server.model.arrived.acquire(timeout=10)
        host, port = server.url.removeprefix("http://").split(":")
        body = b'{"model": "step-3.5-flash", "messages": [{"role": "user", "content": "hi"}]}'
        with socket.create_connection((host, int(port))) as client:
            client.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n%b"
                % (len(body), body)
            )
            until(lambda: waiting(server) == 1)
        until(lambda: waiting(server) == 0)
        server.model.gate.set()
        assert first.result().status_code == 200
        assert len(server.model.calls) == 1
