"""A client that goes away stops its generation at once, whatever the generation is doing."""

import json
import socket

import pytest

from flashstep.types import Finish, TextDelta
from server.running_server import ask, forever

TIMEOUT_S = 10


def send_and_hang_up(server, body, read_until=b""):
    """Post over a bare socket, read until `read_until` was seen, close."""
    payload = json.dumps(body).encode()
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as client:
        client.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(payload), payload)
        )
        assert server.model.arrived.acquire(timeout=TIMEOUT_S)
        received = b""
        while read_until not in received:
            received += client.recv(4096)


def test_a_client_that_leaves_while_sending_is_no_server_error(server, caplog):
    host, port = server.url.removeprefix("http://").split(":")
    with caplog.at_level("INFO", "flashstep.server"), socket.create_connection((host, int(port))) as client:
        client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: t\r\nContent-Length: 99\r\n\r\n{")
        client.close()
        while not any("499" in record.message for record in caplog.records):
            assert server.get("/health").status_code == 200
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_disconnect_during_a_long_prefill_aborts(server, stream):
    server.model.script = [forever]
    send_and_hang_up(server, ask(stream=stream))
    assert server.model.calls[0].aborted.wait(TIMEOUT_S)


def test_a_disconnect_in_mid_stream_aborts(server):
    server.model.script = [TextDelta("There"), forever]
    send_and_hang_up(server, ask(stream=True), read_until=b"There")
    assert server.model.calls[0].aborted.wait(TIMEOUT_S)


def test_a_client_that_stops_reading_and_leaves_aborts(server):
    """The server is then waiting in `send`, not for an event."""
    server.model.script = [TextDelta("x" * 100_000)] * 1000 + [Finish("stop")]
    send_and_hang_up(server, ask(stream=True), read_until=b"xxx")
    assert server.model.calls[0].aborted.wait(TIMEOUT_S)


def test_an_openai_client_that_closes_its_stream_aborts(server):
    server.model.script = [TextDelta("There"), forever]
    with server.openai() as client:
        stream = client.chat.completions.create(**ask(), stream=True)
        next(iter(stream))
        stream.close()
    assert server.model.calls[0].aborted.wait(TIMEOUT_S)


def test_an_answer_read_to_its_end_is_not_aborted(server):
    list(server.openai().chat.completions.create(**ask(), stream=True))
    server.openai().chat.completions.create(**ask())
    assert [call.finished.is_set() for call in server.model.calls] == [True, True]
    assert [call.aborted.is_set() for call in server.model.calls] == [False, False]
