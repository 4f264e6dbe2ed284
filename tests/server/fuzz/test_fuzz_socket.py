"""Whatever bytes come through the socket, the connection ends or is answered, and the server lives on."""

import re
import socket
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flashstep.server.limits.settings import LimitSettings
from flashstep.server.settings import ServerSettings
from server.fuzz.bodies import BODIES, written
from server.running_server import PlayedModel, ask, serving

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
DEEP = settings(QUICK, max_examples=1000)
BODY = written(ask())
CHAT = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
GOOD = CHAT + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
STREAM_BODY = written(ask(stream=True))
STREAM = CHAT + b"Content-Length: %d\r\n\r\n" % len(STREAM_BODY) + STREAM_BODY
CHUNKED = CHAT + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(BODY) + BODY + b"\r\n0\r\n\r\n"
HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


@pytest.fixture(scope="module")
def server():
    """Waits for clients for a moment only, so that unfinished requests end within the test."""
    limits = LimitSettings(request_timeout_s=0.15, send_timeout_s=0.5)
    with serving(PlayedModel(), ServerSettings(limits=limits, max_body_bytes=100_000)) as running:
        yield running


def exchange(server, data):
    """All that comes back until the server closes the connection; TimeoutError when it never does."""
    port = int(server.url.rsplit(":", 1)[1])
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=15) as client:
        # Refused before all was sent, or closed with bytes unread, is an end like any other.
        with suppress(ConnectionError):
            client.sendall(data + LAST)
        with suppress(ConnectionError):
            while piece := client.recv(1 << 16):
                received += piece
    return received


def check(server, data):
    """One connection that gets these bytes and a last request; the statuses."""
    statuses = [int(code) for code in STATUS.findall(exchange(server, data))]
    assert all(code < 500 for code in statuses), statuses
    return statuses


@st.composite
def damaged(draw):
    """One to three requests in a row, of which some bytes are changed, repeated or missing."""
    data = bytearray(
        b"".join(draw(st.lists(st.sampled_from((GOOD, STREAM, CHUNKED, HEALTH)), min_size=1, max_size=3)))
    )
    for _ in range(draw(st.integers(1, 4))):
        place, length = draw(st.integers(0, len(data))), draw(st.integers(0, 40))
        junk = draw(
            st.binary(max_size=6) | st.sampled_from((b"\r\n", b"\n", b"\0", b": ", b"Content-Length: 5\r\n"))
        )
        data[place : place + draw(st.sampled_from((0, len(junk), length)))] = junk
    return bytes(data)


@QUICK
@given(data=damaged())
def test_damaged_requests_are_answered_or_cut_off(server, data):
    check(server, data)


@QUICK
@given(data=st.binary(max_size=200))
def test_any_bytes_are_answered_or_cut_off(server, data):
    check(server, data)


@pytest.mark.slow
@DEEP
@given(data=damaged())
def test_a_thousand_damaged_requests_are_answered_or_cut_off(server, data):
    check(server, data)


HEAD = b"POST /v1/chat/completions HTTP/1.1\r\n"
# What is sent, and the status of the first answer.
BROKEN = {
    "no host": (HEAD + b"Content-Length: 0\r\n\r\n", 400),
    "null bytes in the path": (b"GET /v1/models\0 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "null bytes in a header": (b"GET /health HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n", 400),
    "a bare line feed in a header": (b"GET /health HTTP/1.1\r\nHost: x\r\nX-A: a\nX-B : b\r\n\r\n", 400),
    "an encoded null byte": (b"GET /v1/models/%00 HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    "a path that is no UTF-8": (b"GET /v1/%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    "a path to other files": (b"GET /v1/models/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    "an absolute address": (b"GET http://elsewhere/health HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    "a negative length": (CHAT + b"Content-Length: -5\r\n\r\n", 400),
    "a length that is no number": (CHAT + b"Content-Length: five\r\n\r\n", 400),
    "a huge length": (CHAT + b"Content-Length: 99999999999999999999\r\n\r\n{}", 408),
    "two lengths": (CHAT + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
    "length and chunks": (
        CHAT + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        400,
    ),
    "an unknown coding": (CHAT + b"Transfer-Encoding: gzip\r\n\r\n{}", 400),
    "a chunk size that is no number": (CHAT + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", 400),
    "a chunk of any size": (CHAT + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}", 408),
    "more headers than allowed": (b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
    "a header longer than allowed": (b"GET /health HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 100_000, 400),
    "an address longer than allowed": (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 404),
    "a TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x55" * 200, 400),
    "an unknown method": (b"BREW /health HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    "a switch of protocols": (
        b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        200,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_http_is_refused_and_no_more(server, name):
    data, expected = BROKEN[name]
    statuses = check(server, data)
    assert statuses[:1] == [expected]


def test_requests_in_one_packet_are_answered_in_order(server):
    assert check(server, HEALTH + GOOD + CHUNKED + HEALTH) == [200] * 5


def test_what_follows_a_body_that_was_announced_too_short_is_not_run_as_a_request_of_its_own(server):
    num_calls = len(server.model.calls)
    data = CHAT + b"Content-Length: 2\r\n\r\n{}" + BODY + GOOD
    assert check(server, data) == [400, 400]
    assert len(server.model.calls) == num_calls


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/responses", "/v1/completions"])
def test_a_body_that_ends_early_is_no_request(server, path):
    body = written(BODIES[path][0])
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (path.encode(), len(body) + 5)
    num_calls = len(server.model.calls)
    check(server, head + body)
    assert len(server.model.calls) == num_calls


def test_after_all_of_this_the_server_answers_as_before(server):
    assert server.get("/health").status_code == 200
    assert server.post(ask()).json()["choices"][0]["message"]["content"] == "There are 3."
