"""Chat completions as the hosted service documents its own, to the letter.

In a stream the first chunk has `created` 0 and no counts; later ones have an empty role and finish
reason and the running counts; calls come in one piece at the end, without an index, and end with
"stop"; no chunk holds counts alone. The content beside calls is "". An id is two numbers of 32 hex
digits, the first of which is the trace id. An unknown model is a 400.

What the service does not have appears only when it was asked for: `logprobs`.
"""

import secrets
from collections.abc import Sequence
from typing import Any

from flashstep.errors import FlashstepError, InvalidRequest
from flashstep.server.chat_completions.choice import Choice
from flashstep.server.chat_completions.openai_wire import whole_call
from flashstep.server.chat_completions.wire import AnswerStyle, Delta, Wire
from flashstep.server.envelope import UsageMeter, wire_finish_reason
from flashstep.server.http.frame import DONE, frame
from flashstep.server.logprobs import logprobs_object, token_objects
from flashstep.server.service import Answer
from flashstep.types import Finish, LogprobsDelta, ReasoningDelta, TextDelta, ToolCallDelta, Usage


class StepFunWriter:
    """A ChatWriter."""

    def __init__(self, answer: Answer, style: AnswerStyle) -> None:
        self._answer = answer
        self._style = style
        self._usage = UsageMeter()
        self._choices: dict[int, Choice] = {}

    def opening(self, index: int) -> bytes:
        """The chunk that names the role."""
        delta = {"role": "assistant", "content": ""}
        return self._chunk(index, delta, created=0, usage=Usage())

    def delta(self, index: int, delta: Delta) -> bytes:
        """The chunk of one delta; empty for pieces of calls, which wait for the end."""
        if isinstance(delta, LogprobsDelta):
            return self._scores(index, delta)
        self._usage.note(index, delta.usage)
        match delta:
            case TextDelta(text):
                return self._chunk(index, {"role": "", "content": text})
            case ReasoningDelta(text):
                fields = self._style.reasoning_fields
                return self._chunk(index, _EMPTY | dict.fromkeys(fields, text)) if fields else b""
            case ToolCallDelta():
                self._choices.setdefault(index, Choice()).add(delta)
                return b""

    def finish(self, index: int, finish: Finish) -> bytes:
        """The calls and the chunk with the finish reason. Raises BackendError when the answer failed."""
        reason = _finish_reason(finish)
        self._usage.note(index, finish.usage)
        calls = self._choices[index].calls if index in self._choices else ()
        told = _EMPTY | {"tool_calls": [whole_call(call) for call in calls]}
        return (self._chunk(index, told) if calls else b"") + self._chunk(index, _EMPTY, finish_reason=reason)

    def closing(self) -> bytes:
        """The end mark."""
        return DONE

    def whole(self, choices: Sequence[Choice]) -> dict[str, Any]:
        """The chat.completion object. Raises BackendError when an answer failed."""
        for index, choice in enumerate(choices):
            self._usage.note(index, choice.finish.usage)
        return {
            "id": self._answer.request_id,
            "object": "chat.completion",
            "created": self._answer.created,
            "model": self._answer.model,
            "choices": [self._choice(index, choice) for index, choice in enumerate(choices)],
            "usage": _usage_object(self._usage.total),
        }

    def _choice(self, index: int, choice: Choice) -> dict[str, Any]:
        answer = choice.message
        message: dict[str, Any] = {"role": "assistant", "content": answer.content}
        message |= dict.fromkeys(self._style.reasoning_fields, answer.reasoning or "")
        if choice.calls:
            message["tool_calls"] = [whole_call(call) for call in choice.calls]
        whole = {"index": index, "message": message, "finish_reason": _finish_reason(choice.finish)}
        if self._style.has_logprobs:
            reasoning = choice.scores["reasoning"] if self._style.reasoning_fields else None
            whole["logprobs"] = logprobs_object(choice.scores["text"], reasoning)
        return whole

    def _scores(self, index: int, delta: LogprobsDelta) -> bytes:
        tokens = token_objects(delta.tokens)
        if delta.part == "text":
            return self._chunk(index, _EMPTY, logprobs=logprobs_object(tokens, None))
        if self._style.reasoning_fields:
            return self._chunk(index, _EMPTY, logprobs=logprobs_object([], tokens))
        return b""

    def _chunk(
        self,
        index: int,
        delta: dict[str, Any],
        *,
        finish_reason: str = "",
        created: int | None = None,
        usage: Usage | None = None,
        logprobs: dict[str, Any] | None = None,
    ) -> bytes:
        choice: dict[str, Any] = {"index": index, "delta": delta, "finish_reason": finish_reason}
        if logprobs is not None:
            choice["logprobs"] = logprobs
        chunk = {
            "id": self._answer.request_id,
            "object": "chat.completion.chunk",
            "created": self._answer.created if created is None else created,
            "model": self._answer.model,
            "choices": [choice],
            "usage": _usage_object(self._usage.total if usage is None else usage),
        }
        return frame(chunk)


_EMPTY: dict[str, Any] = {"role": "", "content": ""}


def _finish_reason(finish: Finish) -> str:
    reason = wire_finish_reason(finish)
    return "stop" if reason == "tool_calls" else reason


def _usage_object(usage: Usage) -> dict[str, int]:
    cached = {"cached_tokens": usage.cached_tokens} if usage.cached_tokens else {}
    return cached | {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def _id_prefix(trace_id: str) -> str:
    return f"{trace_id}.{secrets.token_hex(4)}"  # the service adds the other 24 digits


def _unknown_model(message: str) -> FlashstepError:
    return InvalidRequest(message, param="model", code="model_not_found")


STEPFUN_WIRE = Wire(writer=StepFunWriter, id_prefix=_id_prefix, unknown_model=_unknown_model)
