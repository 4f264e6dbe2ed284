"""Chat completions in OpenAI's strict form, with the hosted service's names for reasoning and caching.

The role comes in the first delta alone; the finish chunk's delta says nothing; tool deltas have an index;
`choices` is never empty except in the usage chunk that `stream_options.include_usage` asks for. Every
chunk carries the envelope (id, created, model, fingerprint, trace id), and every delta the members of the
reasoning, null where there is none, as DeepSeek sends them: programs ask `delta.reasoning` of each, and
the official client raises for a member that is missing. `stop_reason` is vLLM's: the stop string that
matched, or "repetition". Text waits for the scores of its tokens, which go out in the same chunk.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from flashstep.chat.fold import CallText
from flashstep.errors import NotFound
from flashstep.server.chat_completions.choice import Choice
from flashstep.server.chat_completions.wire import AnswerStyle, Delta, Wire
from flashstep.server.envelope import UsageMeter, envelope, usage_object, wire_finish_reason
from flashstep.server.http.frame import DONE, json_text
from flashstep.server.logprobs import logprobs_object, token_objects
from flashstep.server.service import Answer
from flashstep.types import Finish, LogprobsDelta, ReasoningDelta, TextDelta, ToolCallDelta


class OpenAIWriter:
    """A ChatWriter. The envelope is serialised once, not per chunk."""

    def __init__(self, answer: Answer, style: AnswerStyle) -> None:
        self._answer = answer
        self._style = style
        self._usage = UsageMeter()
        self._silent = dict.fromkeys(style.reasoning_fields)
        self._unscored: dict[int, dict[str, str]] = {}  # of choices, the text that waits
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
                return self._text(index, {"content": text})
            case ReasoningDelta(text):
                fields = self._style.reasoning_fields
                return self._text(index, dict.fromkeys(fields, text)) if fields else b""
            case ToolCallDelta():
                return self._waited(index) + self._chunk(index, {"tool_calls": [_tool_call(delta)]})

    def finish(self, index: int, finish: Finish) -> bytes:
        """The chunk with the finish reason. Raises BackendError when the answer failed."""
        reason = wire_finish_reason(finish)
        self._usage.note(index, finish.usage)
        ending = f'"{reason}","stop_reason":{json_text(finish.stop_reason)}'
        return self._waited(index) + self._chunk(index, {}, ending=ending)

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

    def _text(self, index: int, fields: dict[str, str]) -> bytes:
        """The chunk of a piece of text, or nothing yet where its scores are still to come."""
        if not self._style.has_logprobs:
            return self._chunk(index, fields)
        is_other = self._unscored.get(index, fields).keys() != fields.keys()
        sent = self._waited(index) if is_other else b""
        before = self._unscored.get(index, dict.fromkeys(fields, ""))
        self._unscored[index] = {name: before[name] + text for name, text in fields.items()}
        return sent

    def _waited(self, index: int) -> bytes:
        """The chunk of text that waited for scores which did not come."""
        fields = self._unscored.pop(index, None)
        return self._chunk(index, fields) if fields else b""

    def _scores(self, index: int, delta: LogprobsDelta) -> bytes:
        """The scores with the text that waited for them."""
        is_text, tokens = delta.part == "text", token_objects(delta.tokens)
        if not is_text and not self._style.reasoning_fields:
            return b""
        is_theirs = is_text == ("content" in self._unscored.get(index, {}))
        sent = b"" if is_theirs else self._waited(index)
        logprobs = logprobs_object(tokens, None) if is_text else logprobs_object([], tokens)
        fields = self._unscored.pop(index, {})
        return sent + self._chunk(index, fields, logprobs=json_text(logprobs))

    def _chunk(
        self, index: int, fields: Mapping[str, Any], *, logprobs: str = "null", ending: str = "null"
    ) -> bytes:
        delta = json_text({**self._silent, **fields})
        choice = f'{{"index":{index},"delta":{delta},"logprobs":{logprobs},"finish_reason":{ending}}}'
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
