"""A real server on a free port in a thread, over a model that plays prepared events."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import openai
import uvicorn
from fastapi import FastAPI

from flashstep.backends.base import EngineStats
from flashstep.server.app import create_app
from flashstep.server.limits.settings import LimitSettings
from flashstep.server.serve import bind, server_config
from flashstep.server.settings import ServerSettings
from flashstep.server.traces.tracing import open_tracing
from flashstep.types import (
    FREE,
    AnswerRule,
    Event,
    Finish,
    Message,
    ReasoningDelta,
    SamplingParams,
    TextDelta,
    Tool,
    Usage,
)

USAGE = Usage(prompt_tokens=12, completion_tokens=7, reasoning_tokens=4, cached_tokens=8)
STRAWBERRY: tuple[Event, ...] = (
    ReasoningDelta("s-t-r-a-w-"),
    ReasoningDelta("b-e-r-r-y: three r."),
    TextDelta("There are "),
    TextDelta("3."),
    Finish("stop", USAGE),
)


@dataclass
class Call:
    """What one chat call received, and whether its stream was closed before its end."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    params: SamplingParams
    trace_id: str
    request_id: str
    rule: AnswerRule = FREE
    finished: threading.Event = field(default_factory=threading.Event)
    aborted: threading.Event = field(default_factory=threading.Event)


class PlayedModel:
    """Answers every call with `script`: events are sent, exceptions raised, callables awaited."""

    model_name = "flashstep-nano"
    fingerprint = "played"
    context_length = 4096
    vocab_size = 1000
    max_concurrency = 64

    def __init__(self) -> None:
        self.script: Sequence[Event | Exception | Callable] = STRAWBERRY
        self.calls: list[Call] = []
        self.arrived = threading.Semaphore(0)
        self.healthy = True
        self.is_restarting = False

    def is_healthy(self) -> bool:
        return self.healthy

    def stats(self) -> EngineStats:
        return EngineStats(num_running=sum(not c.finished.is_set() for c in self.calls))

    def prompt_token_ids(self, messages, tools, *, add_generation_prompt=True) -> list[int]:
        return list("".join(message.content for message in messages).encode())

    def tokenize(self, text, *, control=False) -> list[int]:
        return list(text.encode())

    def detokenize(self, token_ids) -> str:
        return bytes(token_ids).decode(errors="replace")

    async def complete(self, prompt, params, *, trace_id, request_id) -> AsyncGenerator[Event, None]:
        message = Message("user", prompt if isinstance(prompt, str) else self.detokenize(prompt))
        async for event in self.chat([message], (), params, trace_id=trace_id, request_id=request_id):
            yield event

    async def chat(
        self, messages, tools, params, *, rule=FREE, trace_id, request_id
    ) -> AsyncGenerator[Event, None]:
        call = Call(tuple(messages), tuple(tools), params, trace_id, request_id, rule)
        self.calls.append(call)
        self.arrived.release()
        try:
            for step in self.script:
                await asyncio.sleep(0)  # an engine's events come through the event loop, one by one
                if isinstance(step, Exception):
                    raise step
                if callable(step):
                    await step()
                else:
                    yield step
            call.finished.set()
        finally:
            if not call.finished.is_set():
                call.aborted.set()


async def forever() -> None:
    """A step that never ends by itself, like a prefill that outlasts the test."""
    await asyncio.Event().wait()


@dataclass
class RunningServer:
    """A served model and ways to reach it."""

    model: PlayedModel
    url: str
    # What `openai` made. The garbage collector may take a client's socket before the client that closes it.
    clients: list[openai.OpenAI] = field(default_factory=list)

    def openai(self, api_key: str = "none", prefix: str = "") -> openai.OpenAI:
        """A client that is closed at the latest with the server, or with the test that shares the server."""
        url = f"{self.url}{prefix}/v1"
        self.clients.append(openai.OpenAI(base_url=url, api_key=api_key, max_retries=0, timeout=20))
        return self.clients[-1]

    def close_clients(self) -> None:
        while self.clients:
            self.clients.pop().close()

    def post(self, body: object = None, path: str = "/v1/chat/completions", **kwargs) -> httpx.Response:
        if body is not None:
            kwargs["json"] = body
        return httpx.post(self.url + path, timeout=20, **kwargs)

    def get(self, path: str, **kwargs) -> httpx.Response:
        return httpx.get(self.url + path, timeout=20, **kwargs)


def ask(**fields: object) -> dict[str, object]:
    """A minimal valid request body, changed by `fields`."""
    return {"model": "step-3.5-flash", "messages": [{"role": "user", "content": "hi"}]} | fields


@contextmanager
def serving(model: PlayedModel, settings: ServerSettings) -> Iterator[RunningServer]:
    """Serve `model` until the block ends, with traces if the settings say so."""
    with open_tracing(settings.traces) as tracing:
        yield from _served(model, create_app(model, settings=settings, tracing=tracing), settings.limits)


def _served(model: PlayedModel, app: FastAPI, limits: LimitSettings) -> Iterator[RunningServer]:
    listener = bind("127.0.0.1", 0)
    server = uvicorn.Server(server_config(app, limits, logs=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    running = RunningServer(model, f"http://127.0.0.1:{listener.getsockname()[1]}")
    try:
        yield running
    finally:
        running.close_clients()
        server.should_exit = True
        thread.join()
        listener.close()
