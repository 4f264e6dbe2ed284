"""The requests of the soak test: scenarios that a server must stand, each with the check of its answer."""

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

QUESTIONS = (
    "How many 'r's are in the word strawberry?",
    "What is 4711 + 815?",
    "Which is larger, 9.11 or 9.9?",
    "Spell the word banana backwards.",
    "Who are you?",
)
BURST = 60
NUM_FILLS, FILL_REPEATS = 16, 200
TIMEOUT_S = 120.0
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@dataclass
class Tally:
    """What happened. `unanswered` are requests that neither got an answer nor were dropped by us."""

    sent: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def problem(self, text: str) -> None:
        """Note something that must not happen; the first hundred are kept."""
        self.outcomes["problem"] += 1
        if len(self.problems) < 100:
            self.problems.append(text)


class Load:
    """The scenarios, each one request (or a burst) with the check of its answer."""

    def __init__(self, url: str, rng: random.Random) -> None:
        self.url = url
        self.rng = rng
        self.tally = Tally()
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        self.client = httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S, limits=limits)
        self.scenarios: tuple[tuple[Callable[[], Awaitable[None]], int], ...] = (
            (self.whole, 20),
            (self.streamed, 25),
            (self.with_tools, 8),
            (self.several, 4),
            (self.messages, 8),
            (self.responses, 8),
            (self.left_early, 20),
            (self.malformed, 10),
            (self.too_long, 3),
            (self.half_sent, 5),
            (self.never_read, 2),
            (self.burst, 3),
        )

    async def run_until(self, deadline_s: float) -> None:
        """One worker: scenario after scenario."""
        choices, weights = zip(*self.scenarios, strict=True)
        while time.monotonic() < deadline_s:
            scenario = self.rng.choices(choices, weights)[0]
            self.tally.sent += 1
            try:
                await scenario()
            except (httpx.HTTPError, OSError, TimeoutError, json.JSONDecodeError) as error:
                self.tally.problem(f"{scenario.__name__}: {type(error).__name__}: {error}")

    def ask(self, **fields: Any) -> dict[str, Any]:
        """A chat request with a random question."""
        messages = [{"role": "user", "content": self.rng.choice(QUESTIONS)}]
        return {"model": "step-3.5-flash", "messages": messages, "max_tokens": 200, **fields}

    async def fill_cache(self) -> None:
        """Long prompts that have nothing in common, until the K/V cache holds kept prefixes everywhere;
        else its pages, touched one by one, would look like a leak."""
        for number in range(NUM_FILLS):
            body = self.ask(max_tokens=1)
            body["messages"][0]["content"] = f"{number} {self.rng.random()} " * FILL_REPEATS
            await self._expect_json("/chat/completions", body, "choices")

    async def whole(self) -> None:
        """A whole answer."""
        await self._expect_json("/chat/completions", self.ask(), "choices")

    async def with_tools(self) -> None:
        """A forced tool call."""
        body = self.ask(tools=[TOOL], tool_choice="required")
        await self._expect_json("/chat/completions", body, "choices")

    async def several(self) -> None:
        """Three answers at once."""
        await self._expect_json("/chat/completions", self.ask(n=3, temperature=1.0), "choices")

    async def messages(self) -> None:
        """Anthropic's format, streamed."""
        body = {**self.ask(), "stream": True}
        await self._expect_stream("/messages", body, '"type":"message_stop"')

    async def responses(self) -> None:
        """The Responses format, streamed."""
        body = {"model": "step-3.5-flash", "input": self.rng.choice(QUESTIONS), "stream": True}
        await self._expect_stream("/responses", body, '"type":"response.completed"')

    async def streamed(self) -> None:
        """A streamed answer, read to its end."""
        await self._expect_stream("/chat/completions", self.ask(stream=True), "data: [DONE]")

    async def left_early(self) -> None:
        """The client goes away after a random number of chunks."""
        async with self._stream("/chat/completions", self.ask(stream=True, ignore_eos=True)) as response:
            if self._refused(response):
                return
            wanted = self.rng.randint(0, 40)
            seen = 0
            async for _ in response.aiter_lines():
                seen += 1
                if seen > wanted:
                    break
        self.tally.outcomes["left early"] += 1

    async def malformed(self) -> None:
        """Broken JSON, wrong types, missing fields: always a 4xx with an error object."""
        bodies: tuple[bytes, ...] = (
            b"{",
            b"[]",
            b"\xff\xfe",
            b"{}",
            b'{"model":"step-3.5-flash","messages":[]}',
            b'{"model":"step-3.5-flash","messages":"hi"}',
            b'{"model":"nobody","messages":[{"role":"user","content":"hi"}]}',
            json.dumps(self.ask(temperature=-1)).encode(),
            json.dumps(self.ask(temperature="hot")).encode(),
            b"[" * 100_000,
        )
        response = await self.client.post(
            self.rng.choice(("/chat/completions", "/messages", "/responses", "/completions")),
            content=self.rng.choice(bodies),
            headers={"content-type": "application/json"},
        )
        self._count(response)
        if not (400 <= response.status_code < 500 and "error" in response.json()):
            self.tally.problem(f"malformed body: {response.status_code} {response.text[:200]}")
        self.tally.outcomes["refused"] += 1

    async def too_long(self) -> None:
        """A prompt longer than the context."""
        body = self.ask()
        body["messages"][0]["content"] = "many words " * 150_000
        response = await self.client.post("/chat/completions", json=body)
        self._count(response)
        if response.status_code not in (400, 503):
            self.tally.problem(f"too long: {response.status_code} {response.text[:200]}")
        self.tally.outcomes["refused"] += 1

    async def half_sent(self) -> None:
        """The connection breaks while the request is being sent."""
        reader, writer = await self._connect()
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        await writer.drain()
        await asyncio.sleep(self.rng.random() / 10)
        writer.close()
        self.tally.outcomes["left early"] += 1

    async def never_read(self) -> None:
        """The reader stops reading a long stream for a while, then leaves."""
        _, writer = await self._connect()
        body = json.dumps(self.ask(stream=True, ignore_eos=True, max_tokens=4000)).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        await asyncio.sleep(2 * self.rng.random())
        writer.transport.abort()
        self.tally.outcomes["left early"] += 1

    async def burst(self) -> None:
        """Far more requests at once than may run or wait."""
        self.tally.sent += BURST - 1
        await asyncio.gather(*(self.whole() for _ in range(BURST)))

    async def _expect_json(self, path: str, body: dict[str, Any], key: str) -> None:
        response = await self.client.post(path, json=body)
        if self._refused(response):
            return
        if key not in response.json():
            self.tally.problem(f"{path}: no {key} in {response.text[:200]}")
        self.tally.outcomes["answered"] += 1

    async def _expect_stream(self, path: str, body: dict[str, Any], last: str) -> None:
        async with self._stream(path, body) as response:
            if self._refused(response):
                return
            text = "".join([chunk async for chunk in response.aiter_text()])
        if last not in text.replace(": ", ":").replace("data:[DONE]", "data: [DONE]"):
            self.tally.problem(f"{path}: the stream ended without {last}: {text[-200:]}")
        self.tally.outcomes["answered"] += 1

    @contextlib.asynccontextmanager
    async def _stream(self, path: str, body: dict[str, Any]) -> AsyncIterator[httpx.Response]:
        async with self.client.stream("POST", path, json=body) as response:
            yield response

    def _refused(self, response: httpx.Response) -> bool:
        self._count(response)
        if response.status_code == 503:
            if "retry-after" not in response.headers:
                self.tally.problem("503 without Retry-After")
            self.tally.outcomes["refused"] += 1
            return True
        if response.status_code != 200:
            self.tally.problem(f"{response.request.url.path}: status {response.status_code}")
            return True
        return False

    def _count(self, response: httpx.Response) -> None:
        self.tally.statuses[response.status_code] += 1
        if response.status_code >= 500 and response.status_code != 503:
            self.tally.problem(f"status {response.status_code} at {response.request.url.path}")

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = urlsplit(self.url)
        return await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 12)
