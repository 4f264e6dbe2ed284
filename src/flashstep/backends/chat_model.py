"""Messages in, events out, over any backend: template, context check, decoding, usage.

Every stream that started ends with exactly one `Finish`, and closing it early aborts the
generation at once. Whether a token is text, reasoning or a call is `ResponseDecoder`'s business.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from flashstep.backends.base import Backend, EngineStats
from flashstep.backends.prompt_encoding import encoded, prompt_chars
from flashstep.chat.answer_grammar import grammar_for, is_free
from flashstep.chat.markers import THINK_END, THINK_START
from flashstep.chat.response_decoder import ResponseDecoder
from flashstep.chat.template import ChatTemplate
from flashstep.chat.token_scores import prompt_scores
from flashstep.chat.tokenizer import Tokenizer
from flashstep.engine.config import EngineConfig
from flashstep.engine.processors import Grammars
from flashstep.errors import ContextLengthExceeded, InvalidRequest
from flashstep.model.config import ModelConfig
from flashstep.types import (
    FREE,
    AnswerRule,
    Event,
    Finish,
    FinishReason,
    Message,
    ReasoningDelta,
    Request,
    SamplingParams,
    TextDelta,
    Timings,
    TokenOutput,
    Tool,
    ToolCallDelta,
    Usage,
)  # fmt: skip


class ChatModel:
    """A conversation partner: a backend with the tokenizer and template of its weights.

    eos_token_ids: the checkpoint's ids that end a turn. grammars: the backend's, if it has any here.
    """

    def __init__(
        self, backend: Backend, tokenizer: Tokenizer, template: ChatTemplate, eos_token_ids: frozenset[int],
        grammars: Grammars | None = None,
    ) -> None:  # fmt: skip
        self._backend = backend
        self._grammars = grammars
        self._tokenizer = tokenizer
        self._template = template
        self._eos_token_ids = eos_token_ids
        self._think_end_marker_id = tokenizer.added_tokens.ids.get(THINK_END)
        self._think_end_ids = tuple(tokenizer.encode(f"\n{THINK_END}\n"))

    @classmethod
    def load(
        cls,
        path: Path,
        engine_config: EngineConfig | None = None,
        on_progress: Callable[[str], None] | None = None,
    ) -> "ChatModel":
        """A checkpoint folder on the embedded engine, which is started again should it die; `on_progress`
        gets a line before slow parts.

        ConfigError when a file is missing or broken, or the sizes cannot work.
        """
        # Only here: over another backend no engine and no kernels are imported.
        from flashstep.backends.embedded import EmbeddedBackend
        from flashstep.backends.supervised import SupervisedBackend
        from flashstep.engine.grammar import CompiledGrammars
        from flashstep.engine.grammar_vocabulary import GrammarVocabulary

        tokenizer = Tokenizer.load(path)
        template = ChatTemplate.load(path, tokenizer)
        config = ModelConfig.load(path)
        num_valid_tokens = min(tokenizer.vocab_size, config.vocab_size)
        vocabulary = GrammarVocabulary(
            num_valid_tokens,
            tokenizer.token_bytes,
            control_token_ids=tokenizer.added_tokens.contents,
            eos_token_ids=config.eos_token_ids,
        )
        grammars = CompiledGrammars(vocabulary)
        start = partial(
            EmbeddedBackend.load, path, engine_config or EngineConfig(), num_valid_tokens=num_valid_tokens,
            grammars=grammars, on_progress=on_progress,
        )  # fmt: skip
        eos_token_ids = frozenset(config.eos_token_ids)
        return cls(SupervisedBackend(start), tokenizer, template, eos_token_ids, grammars)

    @property
    def model_name(self) -> str:
        """The loaded model's own name."""
        return self._backend.model_name

    @property
    def fingerprint(self) -> str:
        """Changes when weights or the way they are computed change."""
        return self._backend.fingerprint

    @property
    def vocab_size(self) -> int:
        """Token ids are below this."""
        return self._tokenizer.vocab_size

    @property
    def max_concurrency(self) -> int:
        """Generations that are computed at the same time."""
        return self._backend.max_concurrency

    @property
    def context_length(self) -> int:
        """Tokens that prompt and answer may have together."""
        return self._backend.context_length

    def is_healthy(self) -> bool:
        """False once no request can be answered any more."""
        return self._backend.is_healthy()

    @property
    def is_restarting(self) -> bool:
        """True while it is not healthy and will be again without anybody's help."""
        return self._backend.is_restarting

    def close(self) -> None:
        """End all answers and close the backend."""
        self._backend.close()

    def stats(self) -> EngineStats:
        """The backend's state and counters."""
        return self._backend.stats()

    def prompt_token_ids(
        self, messages: Sequence[Message], tools: Sequence[Tool], *, add_generation_prompt: bool = True
    ) -> list[int]:
        """The prompt that a conversation becomes, with or without the beginning of an answer. Raises
        InvalidRequest."""
        return self._template.encode(messages, tools, add_generation_prompt=add_generation_prompt)

    def tokenize(self, text: str, *, control: bool = False) -> list[int]:
        """Token ids of `text`; what spells a control token is that token only with `control`."""
        return self._tokenizer.encode(text) if control else self._tokenizer.encode_plain(text)

    def detokenize(self, token_ids: Sequence[int]) -> str:
        """The text of token ids, control tokens written out. Raises InvalidRequest for an unknown id."""
        for token_id in token_ids:
            if not 0 <= token_id < self.vocab_size:
                raise InvalidRequest(f"tokens: {token_id} is outside [0, {self.vocab_size})", param="tokens")
        return self._tokenizer.decode(list(token_ids))

    async def chat(
        self, messages: Sequence[Message], tools: Sequence[Tool], params: SamplingParams, *,
        rule: AnswerRule = FREE, trace_id: str, request_id: str,
    ) -> AsyncGenerator[Event, None]:  # fmt: skip
        """Answer a conversation; the last event, and only it, is a Finish.

        Raises InvalidRequest (ContextLengthExceeded), Overloaded or EngineDead before the first
        event; later trouble is a Finish with the reason "error". Close the iterator to abort.
        """
        token_ids = await encoded(
            lambda: self._template.encode(messages, tools), prompt_chars(messages, tools)
        )
        request = self._request(token_ids, params, trace_id, request_id)
        opens_reasoning = self._opens_reasoning(request)
        if opens_reasoning:
            request = self._within_reasoning(request)
        if not is_free(rule, tools):
            request = replace(request, grammar=await asyncio.to_thread(self._grammar, rule, tools))
        decoder = ResponseDecoder(
            self._tokenizer, tools=tools, stop=params.stop, max_calls=rule.max_calls,
            in_reasoning=opens_reasoning or None, calls_in_reasoning=request.grammar is None,
        )  # fmt: skip
        async with aclosing(self._answer(request, decoder)) as events:
            async for event in events:
                yield event

    async def complete(
        self, prompt: str | Sequence[int], params: SamplingParams, *, trace_id: str, request_id: str
    ) -> AsyncGenerator[Event, None]:
        """Continue a raw prompt; all text comes as TextDelta. Otherwise like `chat`."""
        if isinstance(prompt, str):
            token_ids = await encoded(lambda: self._tokenizer.encode(prompt), len(prompt))
        else:
            token_ids = list(prompt)
        request = self._request(token_ids, params, trace_id, request_id, is_raw=True)
        decoder = ResponseDecoder(self._tokenizer, stop=params.stop, in_reasoning=False)
        async with aclosing(self._answer(request, decoder)) as events:
            async for event in events:
                yield event

    def _grammar(self, rule: AnswerRule, tools: Sequence[Tool]) -> str | None:
        """The grammar of the answer, compiled here, where a big schema keeps nobody waiting."""
        grammar = grammar_for(rule, tools)
        if grammar is not None and self._grammars is not None:
            self._grammars.check(grammar)
        return grammar

    async def _answer(self, request: Request, decoder: ResponseDecoder) -> AsyncGenerator[Event, None]:
        answer = _Answer(request, is_reasoning=not decoder.is_answering)
        async with aclosing(self._backend.generate(request)) as outputs:
            async for output in outputs:
                if output.prompt_logprobs:
                    yield prompt_scores(self._tokenizer, output.prompt_logprobs)
                events = decoder.feed(answer.add(output), output.logprobs)
                # The id that ended it, too, where a stop string or the last call had ended it before.
                answer.num_ignored = decoder.num_ignored + (decoder.stopped and answer.has_end_id)
                answer.note_region(is_answering=decoder.is_answering)
                usage = answer.usage(decoder.reasoning_tokens)
                for event in events:
                    yield _counted(event, usage)
                if decoder.stopped or output.finish_reason is not None:
                    break
        events, reason = decoder.finish("stop" if decoder.stopped else answer.reason)
        answer.note_region(is_answering=decoder.is_answering)
        usage = answer.usage(decoder.reasoning_tokens)
        for event in events:
            yield _counted(event, usage)
        yield answer.finish(reason, decoder.reasoning_tokens, decoder.stop_reason)

    def _request(
        self, token_ids: Sequence[int], params: SamplingParams, trace_id: str, request_id: str, *,
        is_raw: bool = False,
    ) -> Request:  # fmt: skip
        if len(token_ids) >= self.context_length:
            whole, param = ("prompt", "prompt") if is_raw else ("conversation", "messages")
            raise ContextLengthExceeded(
                f"the {whole} has {len(token_ids)} tokens, and the context of {self.context_length} "
                f"tokens must also hold the answer; shorten the {param}",
                param=param,
            )
        return Request(request_id, trace_id, tuple(token_ids), params, self._eos_token_ids)

    def _opens_reasoning(self, request: Request) -> bool:
        """Whether the prompt ends inside the reasoning."""
        end = self._tokenizer.decode(list(request.prompt_token_ids[-4:]))
        return end.rstrip().endswith(THINK_START)

    def _within_reasoning(self, request: Request) -> Request:
        """The request with what closes the reasoning that its prompt has opened."""
        if self._think_end_marker_id is not None:
            return replace(
                request,
                think_end_token_ids=self._think_end_ids,
                think_end_marker_id=self._think_end_marker_id,
            )
        if request.params.thinking_token_budget is not None:
            raise InvalidRequest(
                f"thinking_token_budget: the tokenizer of {self.model_name} has no token {THINK_END}, so "
                f"reasoning cannot be closed for it; leave the budget out",
                param="thinking_token_budget",
            )
        return request


def _counted(event: Event, usage: Usage) -> Event:
    """The event with the counts so far, where it has a place for them."""
    match event:
        case TextDelta(text):
            return TextDelta(text, usage)
        case ReasoningDelta(text):
            return ReasoningDelta(text, usage)
        case ToolCallDelta():
            return replace(event, usage=usage)
    return event


@dataclass(slots=True)
class _Answer:
    """What has arrived from the backend so far; `reason` is "error" until it says otherwise. num_ignored: the
    tokens behind the answer's end, which the backend made before it heard of it."""

    request: Request
    is_reasoning: bool
    reason: FinishReason = "error"
    error: str | None = "the backend ended its stream without a finish reason"
    num_tokens: int = 0
    num_ignored: int = 0
    has_end_id: bool = False
    cached_tokens: int = 0
    timings: Timings = field(default_factory=Timings)
    stop_reason: str | None = None
    reasoning_end_s: float | None = None
    started_s: float = field(default_factory=time.monotonic)

    def add(self, output: TokenOutput) -> tuple[int, ...]:
        """Count an output; returns its ids without the one that only ended the answer."""
        self.num_tokens += len(output.token_ids)
        self.cached_tokens = max(self.cached_tokens, output.cached_tokens)
        self.timings = output.timings
        if output.finish_reason is not None:
            self.reason, self.error = output.finish_reason, output.error
            self.stop_reason = output.stop_reason
        if output.finish_reason == "stop" and self._ends_in_stop_id(output.token_ids):
            self.has_end_id = True
            return output.token_ids[:-1]
        return output.token_ids

    def note_region(self, *, is_answering: bool) -> None:
        """Remember when the reasoning was over."""
        if self.is_reasoning and is_answering:
            self.is_reasoning = False
            self.reasoning_end_s = time.monotonic() - self.started_s

    def usage(self, reasoning_tokens: int) -> Usage:
        """The counts so far."""
        return Usage(
            len(self.request.prompt_token_ids), self.num_tokens - self.num_ignored, reasoning_tokens,
            self.cached_tokens,
        )  # fmt: skip

    def finish(self, reason: FinishReason, reasoning_tokens: int, stop_string: str | None) -> Finish:
        """The last event. `stop_string` is the one that matched."""
        usage = self.usage(reasoning_tokens)
        timings = self.timings
        if timings.finished_s is None:  # a stop string ended it, of which the backend knows nothing
            timings = replace(timings, finished_s=time.monotonic() - self.started_s)
        if self.reasoning_end_s is not None:
            # The backend's clock stopped before this one read the last tokens.
            end_s = min(self.reasoning_end_s, timings.finished_s or self.reasoning_end_s)
            timings = replace(timings, reasoning_end_s=end_s)
        error = self.error if reason == "error" else None
        return Finish(reason, usage, timings, error, stop_string or self.stop_reason)

    def _ends_in_stop_id(self, token_ids: tuple[int, ...]) -> bool:
        last = token_ids[-1:]
        return bool(last) and (
            last[0] in self.request.eos_token_ids or last[0] in self.request.params.stop_token_ids
        )
