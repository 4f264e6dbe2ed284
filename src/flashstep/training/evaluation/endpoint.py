"""Turns of a model behind an OpenAI-compatible API: ours, or any other server's.

`POST {base_url}/chat/completions`, not streamed; reasoning is read from `reasoning` (ours, vLLM's) or
`reasoning_content` (older servers), and sent back as `reasoning`. The limit of an answer is `max_tokens`.
"""

import json
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from flashstep.errors import BackendError, ConfigError
from flashstep.training.evaluation.turn import Prompt, Turn
from flashstep.types import Message, SamplingParams, ToolCall

_TIMEOUT = httpx.Timeout(600.0, connect=10.0)  # seconds; a long reasoning on a busy server takes minutes
_TRIES = 6
_PASSING = frozenset((408, 429, 502, 503, 504))  # what a server answers that has no room just now


class Endpoint:
    """A server and how to ask it. Use as a context manager; calling it gives the turns of some prompts."""

    def __init__(
        self,
        base_url: str,
        model: str,
        params: SamplingParams,
        count_tokens: Callable[[str], int],
        *,
        api_key: str | None = None,
        concurrency: int = 32,
        on_turn: Callable[[], None] = lambda: None,
    ) -> None:
        """base_url: with its /v1, as clients spell it; ConfigError when it is no address. count_tokens
        measures reasoning, since not every server does. concurrency: most requests at once. on_turn is
        called, from several threads, for each answer."""
        _check_address(base_url)
        self._model, self._params, self._count_tokens = model, params, count_tokens
        self._on_turn = on_turn
        self._is_over = threading.Event()  # nobody waits for what is still being tried
        self._pool = ThreadPoolExecutor(concurrency)
        self._client = httpx.Client(
            base_url=base_url, timeout=_TIMEOUT, limits=httpx.Limits(max_connections=concurrency),
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
        )  # fmt: skip

    def __enter__(self) -> "Endpoint":
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    def __call__(self, prompts: Sequence[Prompt]) -> list[Turn]:
        """BackendError, with what the server said, when it cannot be reached or refuses a prompt."""
        return list(self._pool.map(self._ask, prompts))

    def _ask(self, prompt: Prompt) -> Turn:
        body = {
            "model": self._model,
            "messages": [_to_wire(message) for message in prompt.messages],
            "temperature": self._params.temperature,
            "top_p": self._params.top_p,
            "max_tokens": self._params.max_tokens,
            "seed": prompt.seed,
            **({"tools": [tool.wire for tool in prompt.tools]} if prompt.tools else {}),
        }
        turn = self._read(self._post(body))
        self._on_turn()
        return turn

    def _post(self, body: dict[str, Any]) -> Any:
        """The JSON of a successful answer; tries again where a server may have room later."""
        url = f"{self._client.base_url}chat/completions"
        problem = ""
        for trial in range(_TRIES):
            try:
                response = self._client.post("chat/completions", json=body)
            except httpx.ConnectError as error:
                raise BackendError(f"{url} cannot be reached ({error}); is the server running?") from None
            except httpx.TransportError as error:
                problem = str(error) or type(error).__name__
                wait = 2.0**trial
            else:
                if response.is_success:
                    return _json(response, url)
                problem = f"{response.status_code} {response.text[:2000]}"
                if response.status_code not in _PASSING:
                    raise BackendError(f"{url} refused a question: {problem}")
                wait = _seconds(response.headers.get("retry-after"), 2.0**trial)
            if self._is_over.wait(wait if trial < _TRIES - 1 else 0):
                break
        raise BackendError(f"{url} gave no answer in {_TRIES} tries: {problem}")

    def _read(self, answer: Any) -> Turn:
        try:
            choice = answer["choices"][0]
            message = _from_wire(choice["message"])
            is_whole = choice["finish_reason"] != "length"
        except (LookupError, TypeError, AttributeError) as error:
            raise BackendError(
                f"not an answer of a chat completions API ({error!r}): {str(answer)[:500]}"
            ) from None
        return Turn(message, self._count_tokens(message.reasoning or ""), is_whole)


def _check_address(base_url: str) -> None:
    try:
        url = httpx.URL(base_url)
        is_address = url.scheme in ("http", "https") and bool(url.host)
    except httpx.InvalidURL:
        is_address = False
    if not is_address:
        raise ConfigError(
            f"--base-url {base_url}: no address of a server; write it as in http://127.0.0.1:8000/v1"
        )


def _to_wire(message: Message) -> dict[str, Any]:
    """A message as OpenAI's API takes it; what is absent is left out."""
    wire: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.reasoning is not None:
        wire["reasoning"] = message.reasoning
    if message.tool_calls:
        wire["tool_calls"] = [_call_to_wire(call) for call in message.tool_calls]
    for name, value in (("tool_call_id", message.tool_call_id), ("name", message.name)):
        if value is not None:
            wire[name] = value
    return wire


def _call_to_wire(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)}
    return {"id": call.id, "type": "function", "function": function}


def _from_wire(wire: dict[str, Any]) -> Message:
    """An assistant's message. A call whose arguments are no JSON object becomes text, hence is wrong."""
    calls, broken = _calls(wire.get("tool_calls") or ())
    return Message(
        "assistant",
        " ".join(text for text in (wire.get("content"), *broken) if text),
        reasoning=wire.get("reasoning") or wire.get("reasoning_content"),
        tool_calls=tuple(calls),
    )


def _calls(wires: Iterable[dict[str, Any]]) -> tuple[list[ToolCall], list[str]]:
    calls, broken = [], []
    for wire in wires:
        name, text = wire["function"]["name"], wire["function"]["arguments"]
        try:
            arguments = json.loads(text or "{}")  # some servers send nothing for no arguments
        except ValueError:
            arguments = None
        if isinstance(arguments, dict):
            calls.append(ToolCall(wire["id"], name, arguments))
        else:
            broken.append(f"{name}({text})")
    return calls, broken


def _json(response: httpx.Response, url: str) -> Any:
    try:
        return response.json()
    except ValueError:
        raise BackendError(f"{url} answered without JSON: {response.text[:500]}") from None


def _seconds(retry_after: str | None, otherwise: float) -> float:
    try:
        seconds = float(retry_after or otherwise)
    except ValueError:  # the form with a date
        return otherwise
    return min(seconds, 60.0) if seconds >= 0 else otherwise
