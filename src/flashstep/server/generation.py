"""What an endpoint asks the service for, whatever its wire format, and who watches it happen."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from flashstep.errors import BackendError
from flashstep.server.call import Call
from flashstep.types import FREE, AnswerRule, Event, Finish, Message, SamplingParams, Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One wish. Either a conversation (`messages`, `tools`, `rule`) or a raw `prompt`, text or token
    ids, that is continued without template and reasoning.

    endpoint: the wire format's name in traces and metrics ("chat.completions", "messages", ...).
    model: the name asked for. n: independent answers to the same question.
    id_prefix: begins the answer's id ("chatcmpl-").
    """

    endpoint: str
    model: str
    params: SamplingParams
    messages: tuple[Message, ...] = ()
    tools: tuple[Tool, ...] = ()
    rule: AnswerRule = FREE
    prompt: str | tuple[int, ...] | None = None
    n: int = 1
    stream: bool = False
    id_prefix: str = "chatcmpl-"

    def prompt_texts(self) -> Iterator[str]:
        """Everything that becomes prompt, calls and tools about as they are printed; no token ids."""
        if isinstance(self.prompt, str):
            yield self.prompt
        for message in self.messages:
            yield message.content
            yield message.reasoning or ""
            yield from (str(call.arguments) for call in message.tool_calls)
        yield from (str(tool.wire) for tool in self.tools)


class Recorder(Protocol):
    """Watches one generation. Called in the event loop, so it must return at once."""

    def event(self, index: int, event: Event) -> None:
        """Answer number `index` went on."""
        ...

    def end(self, error: BaseException | None) -> None:
        """It is over, exactly once: `error` is what broke it off, BackendError when an answer failed,
        a cancellation when the client left, None when every answer is complete."""
        ...


class Observer(Protocol):
    """Makes a recorder for each generation: traces, metrics, limits."""

    def begin(self, call: Call, generation: Generation, request_id: str) -> Recorder:
        """A generation was accepted; it may still have to queue."""
        ...


def failure_of(finish: Finish) -> BackendError | None:
    """What is told of an answer that ended before its time; None for a complete one."""
    if finish.reason == "error":
        return BackendError(f"the generation failed: {finish.error or 'no cause was given'}")
    if finish.reason == "abort":
        return BackendError("the generation was aborted before its end; send the request again")
    return None
