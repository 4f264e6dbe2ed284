"""Chat completions in OpenAI's strict form, with the hosted service's names for reasoning and caching.

The role comes in the first delta alone; the finish chunk's delta is empty; tool deltas have an index;
`choices` is never empty except in the usage chunk that `stream_options.include_usage` asks for. Every
chunk carries the envelope (id, created, model, fingerprint, trace id). `stop_reason` is vLLM's: the
stop string that matched, or "repetition". Scores of tokens come in a chunk of their own behind the
text that they belong to.
"""

from collections.abc import Sequence
from typing import Any

from flashstep.chat.fold import CallText
from flashstep.errors import NotFound
from flashstep.server.chat_completions.choice import Choice
from flashstep.server.chat_completions.sse import DONE
from flashstep.server.chat_completions.wire import AnswerStyle, Delta, Wire
from flashstep.server.envelope import UsageMeter, envelope, usage_object, wire_finish_reason
from flashstep.server.http.frame import json_text
from flashstep.server.logprobs import logprobs_object, token_objects
from flashstep.server.service import Answer
from flashstep.types import Finish, LogprobsDelta, ReasoningDelta, TextDelta, ToolCallDelta


class OpenAIWriter:
    """A ChatWriter. The envelope is serialised once, not per chunk."""

    def __init__(self, answer: Answer, style: AnswerStyle) -> None:
        self._answer = answer
        self._style = style
        self._usage = UsageMeter()
        self._head = "data: " + json_text(envelope(answer, "chat.completion.chunk"))[:-1]

    def opening(self, index: int) -> bytes:
        """The chunk that names the role."""
        return self._chunk(index, {"role": "assistant", "content": ""})

    def delta(self, index: int, delta: Delta) -> bytes:
        """The chunk of one delta; empty when the caller does not want it."""
        if isinstance(delta, LogprobsDelta):
            return self._scores(index, delta)
        self._usage.note(index, delta.usage)
        match delta:
            case TextDelta(text):
                return self._chunk(index, {"content": text})
            case ReasoningDelta(text):
                fields = self._style.reasoning_fields
                return self._chunk(index, dict.fromkeys(fields, text)) if fields else b""
            case ToolCallDelta():
                return self._chunk(index, {"tool_calls": [_tool_call(delta)]})

    def finish(self, index: int, finish: Finish) -> bytes:
        """The chunk with the finish reason. Raises BackendError when the answer failed."""
        reason = wire_finish_reason(finish)
        self._usage.note(index, finish.usage)
        return self._chunk(index, {}, ending=f'"{reason}","stop_reason":{json_text(finish.stop_reason)}')

    def closing(self) -> bytes:
        """The usage chunk, when asked for, and the end mark."""
        if not self._style.include_usage:
            return DONE
        usage = json_text(usage_object(self._usage.total))
        return f'{self._head},"choices":[],"usage":{usage}}}\n\n'.encode() + DONE

    def whole(self, choices: Sequence[Choice]) -> dict[str, Any]:
        """The chat.completion object. Raises BackendError when an answer failed."""
        for index, choice in enumerate(choices):
            self._usage.note(index, choice.finish.usage)
        return {
            **envelope(self._answer, "chat.completion"),
            "choices": [self._choice(index, choice) for index, choice in enumerate(choices)],
            "usage": usage_object(self._usage.total),
        }

    def _choice(self, index: int, choice: Choice) -> dict[str, Any]:
        return {
            "index": index,
            "message": self._message(choice),
            "logprobs": self._logprobs(**choice.scores) if self._style.has_logprobs else None,
            "finish_reason": wire_finish_reason(choice.finish),
            "stop_reason": choice.finish.stop_reason,
        }

    def _message(self, choice: Choice) -> dict[str, Any]:
        answer, calls = choice.message, choice.calls
        message: dict[str, Any] = {
            "role": "assistant",
            # OpenAI's form: null beside tool calls when there is no text, a string otherwise.
            "content": None if calls and not answer.content else answer.content,
            "refusal": None,
            "annotations": [],
            **dict.fromkeys(self._style.reasoning_fields, answer.reasoning or ""),
        }
        if calls:
            message["tool_calls"] = [whole_call(call) for call in calls]
        return message

    def _logprobs(self, text: list[dict[str, Any]], reasoning: list[dict[str, Any]]) -> dict[str, Any]:
        return logprobs_object(text, reasoning if self._style.reasoning_fields else None)

    def _scores(self, index: int, delta: LogprobsDelta) -> bytes:
        tokens = token_objects(delta.tokens)
        if delta.part == "text":
            return self._chunk(index, {}, logprobs=json_text(logprobs_object(tokens, None)))
        if self._style.reasoning_fields:
            return self._chunk(index, {}, logprobs=json_text(logprobs_object([], tokens)))
        return b""

    def _chunk(
        self, index: int, delta: dict[str, Any], *, logprobs: str = "null", ending: str = "null"
    ) -> bytes:
        choice = (
            f'{{"index":{index},"delta":{json_text(delta)},"logprobs":{logprobs},"finish_reason":{ending}}}'
        )
        return f'{self._head},"choices":[{choice}]{self._tail()}\n\n'.encode()

    def _tail(self) -> str:
        if self._style.continuous_usage:
            return f',"usage":{json_text(usage_object(self._usage.total))}}}'
        return ',"usage":null}' if self._style.include_usage else "}"


def whole_call(call: CallText) -> dict[str, Any]:
    """A tool call as a message holds it, with the arguments that its stream spells."""
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _tool_call(delta: ToolCallDelta) -> dict[str, Any]:
    call: dict[str, Any] = {"index": delta.index}
    if delta.id is not None:
        call |= {"id": delta.id, "type": "function"}
    name = {} if delta.name is None else {"name": delta.name}
    return call | {"function": name | {"arguments": delta.arguments}}


OPENAI_WIRE = Wire(writer=OpenAIWriter, id_prefix=lambda _: "chatcmpl-", unknown_model=NotFound)
