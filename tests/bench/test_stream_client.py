"""The client that counts tokens: against a server that cuts its stream where it hurts."""

import asyncio
import json
from typing import Any

import pytest

from flashstep.bench.stream_client import StreamedAnswer, complete_together
from flashstep.errors import BackendError

EVENTS = [
    {"choices": [{"text": "a"}], "usage": None},
    {"choices": [{"text": "\n\ndata: b"}], "usage": None},
    {"choices": [], "usage": {"completion_tokens": 7}},
]


def chunked(data: bytes, size: int) -> bytes:
    """A body in chunks of `size` bytes, wherever that cuts it."""
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def stream_of(events: list[dict[str, Any]]) -> bytes:
    lines = [b"data: " + json.dumps(event).encode() for event in events]
    return b"\n\n".join([b": a comment", *lines, b"data: [DONE]", b""])


def ask(response: bytes, num_prompts: int = 1) -> tuple[list[dict[str, Any]], list[StreamedAnswer]]:
    """The bodies that a server received which always gives this response, and what the client saw."""
    bodies: list[dict[str, Any]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(head.split("Content-Length: ")[1].split("\r\n")[0])
        bodies.append(json.loads(await reader.readexactly(length)))
        writer.write(response)
        await writer.drain()
        writer.close()

    async def run() -> list[StreamedAnswer]:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            prompts = [[i, i + 1] for i in range(num_prompts)]
            _, answers = await complete_together(f"http://127.0.0.1:{port}", prompts, 7, model="m")
            return answers

    return bodies, asyncio.run(run())


@pytest.mark.parametrize("size", [1, 5, 10_000])
def test_tokens_are_counted_from_usage_however_the_stream_is_cut(size: int) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    bodies, answers = ask(head + chunked(stream_of(EVENTS), size), num_prompts=3)
    assert [answer.num_tokens for answer in answers] == [7, 7, 7]
    assert all(0 < answer.first_s <= answer.last_s for answer in answers)
    assert sorted(body["prompt"] for body in bodies) == [[0, 1], [1, 2], [2, 3]]
    assert all(body["ignore_eos"] and body["max_tokens"] == 7 and body["model"] == "m" for body in bodies)


def test_a_refusal_is_an_error_with_the_servers_words() -> None:
    with pytest.raises(BackendError, match=r"404 Not Found.*no such model"):
        ask(b"HTTP/1.1 404 Not Found\r\nContent-Length: 13\r\n\r\nno such model")


def test_a_stream_without_usage_is_an_error() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with pytest.raises(BackendError, match="without telling its number of tokens"):
        ask(head + chunked(stream_of(EVENTS[:2]), 10_000))


def test_the_rate_leaves_the_first_token_out() -> None:
    assert StreamedAnswer(num_tokens=11, first_s=1.0, last_s=3.0).tokens_per_s == 5.0
    assert StreamedAnswer(num_tokens=1, first_s=1.0, last_s=1.0).tokens_per_s == 0.0
