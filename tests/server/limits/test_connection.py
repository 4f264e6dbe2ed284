"""Clients over bare sockets that send nothing, half of something, too much, or never read."""

import json
import socket
import time

import pytest

from flashstep.server.limits.settings import LimitSettings
from flashstep.server.settings import ServerSettings
from flashstep.types import Finish, TextDelta
from server.running_server import STRAWBERRY, PlayedModel, ask, serving

TIMEOUT_S = 10


@pytest.fixture(scope="module")
def hasty():
    limits = LimitSettings(request_timeout_s=0.2, send_timeout_s=0.2)
    with serving(PlayedModel(), ServerSettings(limits=limits)) as running:
        yield running


def connect(server):
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=TIMEOUT_S)


def read_all(client):
    """What comes until the server closes."""
    received = b""
    while data := client.recv(65536):
        received += data
    return received


def answer(received):
    """Status and error object of a raw response."""
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    return int(head.split()[1]), json.loads(body)["error"]


def test_a_connection_on_which_nothing_is_sent_is_closed(hasty):
    with connect(hasty) as client:
        assert read_all(client) == b""


def test_half_a_head_is_answered_408(hasty):
    with connect(hasty) as client:
        client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: t\r\nX-Slow")
        status, error = answer(read_all(client))
    assert status == 408
    assert "within 0.2 seconds" in error["message"]


def test_half_a_head_behind_an_answer_is_answered_408_too(hasty):
    with connect(hasty) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: t\r\n\r\n")
        first = client.recv(65536)
        assert first.startswith(b"HTTP/1.1 200")
        client.sendall(b"GET /hea")
        status, _ = answer(read_all(client))
    assert status == 408


@pytest.mark.parametrize("path", [b"/v1/chat/completions", b"/v1/messages"])
def test_a_body_that_stops_coming_is_answered_408(hasty, path):
    with connect(hasty) as client:
        client.sendall(b"POST %b HTTP/1.1\r\nHost: t\r\nContent-Length: 99\r\n\r\n{" % path)
        status, error = answer(read_all(client))
    assert status == 408
    assert "nothing came for 0.2 seconds" in error["message"]


def test_a_body_in_drops_is_answered_408_in_the_end():
    limits = LimitSettings(request_timeout_s=0.06)
    with serving(PlayedModel(), ServerSettings(limits=limits)) as server, connect(server) as client:
        client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: t\r\nContent-Length: 9999\r\n\r\n")
        client.settimeout(0.02)
        received = b""
        while not received:
            client.sendall(b" ")
            try:
                received = client.recv(65536)
            except TimeoutError:
                continue
    assert received.startswith(b"HTTP/1.1 408")


def test_what_is_sent_behind_an_early_answer_has_an_end():
    limits = LimitSettings(request_timeout_s=0.2)
    settings = ServerSettings(limits=limits, api_keys=("secret",))
    with serving(PlayedModel(), settings) as server, connect(server) as client:
        client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: t\r\nContent-Length: 9999999\r\n\r\n{")
        assert client.recv(65536).startswith(b"HTTP/1.1 401")
        client.settimeout(0.02)
        is_open = True
        while is_open:
            try:
                client.sendall(b" ")
                is_open = client.recv(65536) != b""
            except TimeoutError:
                continue
            except ConnectionError:
                is_open = False


def test_the_next_request_behind_an_early_answer_is_answered():
    limits = LimitSettings(request_timeout_s=0.2)
    settings = ServerSettings(limits=limits, api_keys=("secret",))
    with serving(PlayedModel(), settings) as server, connect(server) as client:
        client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\n{")
        received = client.recv(65536)
        assert received.startswith(b"HTTP/1.1 401")
        while b"}}" not in received:
            received += client.recv(65536)
        client.sendall(b"}}GET /health HTTP/1.1\r\nHost: t\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200")


def test_a_client_that_reads_slowly_gets_all_of_a_long_answer(hasty):
    hasty.model.script = [TextDelta("x" * 3_000_000), Finish("stop")]
    body = json.dumps(ask()).encode()
    with connect(hasty) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n"
            b"Connection: close\r\n\r\n%b" % (len(body), body)
        )
        num_received = 0
        while data := client.recv(100_000):
            num_received += len(data)
            if num_received < 1_500_000:
                time.sleep(0.02)  # more than send_timeout_s in all
    hasty.model.script = STRAWBERRY
    assert num_received > 3_000_000


def test_an_answer_may_take_longer_than_a_request(hasty):
    async def pause():
        import asyncio

        await asyncio.sleep(0.5)

    hasty.model.script = [TextDelta("a"), pause, TextDelta("b"), Finish("stop")]
    assert hasty.post(ask()).json()["choices"][0]["message"]["content"] == "ab"


def test_a_client_that_never_reads_is_cut_off_and_its_generation_freed(hasty):
    hasty.model.script = [TextDelta("x" * 50_000)] * 10_000 + [Finish("stop")]
    hasty.model.calls.clear()
    body = json.dumps(ask(stream=True)).encode()
    with connect(hasty) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n%b"
            % (len(body), body)
        )
        while not hasty.model.calls:
            assert hasty.get("/health").status_code == 200
        call = hasty.model.calls[0]
        while not call.aborted.wait(0.05):
            assert hasty.get("/health").status_code == 200, "nobody else is held up"
    hasty.model.script = STRAWBERRY
    assert hasty.post(ask()).status_code == 200


def test_what_is_no_http_is_refused_in_the_form_of_all_errors(hasty):
    with connect(hasty) as client:
        client.sendall(b"\x16\x03\x01 hello over TLS\r\n\r\n")
        status, error = answer(read_all(client))
    assert status == 400
    assert error["code"] == "invalid_http"
    assert "speaks plain HTTP" in error["message"]


def test_endless_headers_are_refused_before_they_end(hasty):
    with connect(hasty) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: t\r\n")
        for number in range(33):  # just over the limit: what comes later finds a closed connection
            client.sendall(b"X-%d: %b\r\n" % (number, b"x" * 1000))
        status, error = answer(read_all(client))
    assert status == 400
    assert "more than 32768 bytes" in error["message"]


def test_headers_and_addresses_have_limits(hasty):
    many = hasty.get("/health", headers={f"x-{i}": "1" for i in range(200)})
    assert (many.status_code, many.json()["error"]["code"]) == (431, "headers_too_large")
    assert "the limit is 100" in many.json()["error"]["message"]
    long = hasty.get("/health?" + "x" * 10_000)
    assert (long.status_code, long.json()["error"]["code"]) == (414, "uri_too_long")
    assert long.headers["x-trace-id"]


def test_deeply_nested_json_is_a_400(hasty):
    refused = hasty.post(content=b'{"a":' + b"[" * 100_000)
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "invalid_json"
