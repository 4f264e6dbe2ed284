"""A client for streamed completions that costs little, so that on few cores it takes little from the server.

HTTP/1.1 over plain asyncio streams, one connection a request; what the OpenAI form calls
`/v1/completions`, which takes prompts as token ids in our server, llama.cpp's and vLLM's.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from flashstep.errors import BackendError


@dataclass(frozen=True, slots=True)
class StreamedAnswer:
    """One answer: tokens as the server's usage counts them; seconds since the request was sent."""

    num_tokens: int
    first_s: float
    last_s: float

    @property
    def tokens_per_s(self) -> float:
        """The rate behind the first token; 0 when everything came at once."""
        seconds = self.last_s - self.first_s
        return (self.num_tokens - 1) / seconds if seconds > 0 else 0.0


async def complete_together(
    url: str, prompts: Sequence[Sequence[int]], num_output: int, **fields: Any
) -> tuple[float, list[StreamedAnswer]]:
    """Seconds until all prompts are answered, sent at the same time, and the answers in their order.

    url: of the server, e.g. http://127.0.0.1:8000. fields: further members of each request's body.
    Raises BackendError when a request fails, OSError when the server cannot be reached.
    """
    start = time.perf_counter()
    answers = await asyncio.gather(*(complete(url, prompt, num_output, **fields) for prompt in prompts))
    return time.perf_counter() - start, answers


async def complete(url: str, prompt: Sequence[int], num_output: int, **fields: Any) -> StreamedAnswer:
    """Continue one prompt by exactly `num_output` tokens, greedily. Errors: see `complete_together`."""
    body = {
        "prompt": list(prompt), "max_tokens": num_output, "temperature": 0, "stream": True,
        "stream_options": {"include_usage": True}, "ignore_eos": True, **fields,
    }  # fmt: skip
    address = urlsplit(url)
    start = time.perf_counter()
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(_request(address.netloc, json.dumps(body).encode()))
        await _check_status(reader)
        return await _read_answer(reader, start)
    finally:
        writer.close()


async def _read_answer(reader: asyncio.StreamReader, start: float) -> StreamedAnswer:
    first = last = 0.0
    num_tokens = 0
    async for event in _events(reader):
        if b'"usage":{' in event.replace(b" ", b""):
            usage = json.loads(event)
            num_tokens = usage["usage"]["completion_tokens"]
            if not usage["choices"]:
                continue
        last = time.perf_counter() - start
        first = first or last
    if not num_tokens:
        raise BackendError("the stream ended without telling its number of tokens")
    return StreamedAnswer(num_tokens, first, last)


def _request(host: str, body: bytes) -> bytes:
    head = (
        f"POST /v1/completions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


async def _check_status(reader: asyncio.StreamReader) -> None:
    status = await reader.readline()
    while (await reader.readline()).strip():
        pass
    if status.split()[1:2] != [b"200"]:
        text = (await reader.read(2000)).decode(errors="replace")
        raise BackendError(f"the server answered {status.decode().strip()!r}: {text}")


async def _events(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The data of each server-sent event but the last, [DONE], out of a chunked body."""
    rest = b""
    while size := int((await reader.readline()).split(b";")[0] or b"0", 16):
        rest += await reader.readexactly(size)
        await reader.readline()  # the end of the chunk
        *lines, rest = rest.split(b"\n")
        for line in lines:
            if line.startswith(b"data: ") and not line.startswith(b"data: [DONE]"):
                yield line[6:].strip()
