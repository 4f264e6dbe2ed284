"""Plays scripted answers instead of computing them; needs no weights, only a tokenizer.

For tests and demonstrations of everything above a backend. It honours `max_tokens`, the context
length and aborts, and is certain of every token (log-probability 0) when asked for scores; it does
not choose tokens, so all other sampling wishes change nothing, budgets and grammars among them.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence

from flashstep.backends.base import EngineStats
from flashstep.chat.tokenizer import Tokenizer
from flashstep.errors import FlashstepError
from flashstep.types import FinishReason, Request, Timings, TokenLogprob, TokenOutput

Answer = str | Sequence[int]


class ScriptedBackend:
    """A backend whose answers are known beforehand.

    answers: played in order, again from the first after the last; or a function from the prompt's
        text to the answer. Text is encoded with control tokens; an answer is complete ("stop")
        when all its tokens are out.
    delay_s: pause before each output. tokens_per_output: as if drafts had been accepted.
    fail_after_tokens: the answer breaks off there with an "error" output; None = never.
    refusal: raised by `generate` instead of answering.
    `requests` and `aborted_request_ids` tell what was asked and what was closed early.
    """

    is_restarting = False  # nobody starts it again by itself

    def __init__(
        self, tokenizer: Tokenizer, answers: Sequence[Answer] | Callable[[str], Answer], *,
        model_name: str = "scripted", context_length: int = 4096, max_concurrency: int = 64,
        delay_s: float = 0.0, tokens_per_output: int = 1, fail_after_tokens: int | None = None,
        refusal: FlashstepError | None = None,
    ) -> None:  # fmt: skip
        self.model_name = model_name
        self.fingerprint = "script"
        self.max_concurrency = max_concurrency
        self.context_length = context_length
        self.delay_s = delay_s
        self.tokens_per_output = tokens_per_output
        self.fail_after_tokens = fail_after_tokens
        self.refusal = refusal
        self.requests: list[Request] = []
        self.aborted_request_ids: list[str] = []
        self._tokenizer = tokenizer
        self._answers = answers
        self._is_healthy = True

    def generate(self, request: Request) -> AsyncGenerator[TokenOutput, None]:
        """Play the next answer; raises `refusal` when there is one."""
        if self.refusal is not None:
            raise self.refusal
        token_ids = self._answer(request)
        self.requests.append(request)
        limit = self.context_length - len(request.prompt_token_ids)
        if request.params.max_tokens is not None:
            limit = min(limit, request.params.max_tokens)
        reason: FinishReason = "stop" if len(token_ids) <= limit else "length"
        return self._play(request, token_ids[:limit], reason)

    def fail(self) -> None:
        """From now on say that no request can be answered."""
        self._is_healthy = False

    def stats(self) -> EngineStats:
        """Nothing is computed, so all counts are zero."""
        return EngineStats()

    def is_healthy(self) -> bool:
        """False after `fail` or `close`."""
        return self._is_healthy

    def close(self) -> None:
        """Say that no request can be answered any more."""
        self._is_healthy = False

    def _answer(self, request: Request) -> list[int]:
        if callable(self._answers):
            answer = self._answers(self._tokenizer.decode(list(request.prompt_token_ids)))
        else:
            answer = self._answers[len(self.requests) % len(self._answers)]
        return self._tokenizer.encode(answer) if isinstance(answer, str) else list(answer)

    async def _play(
        self, request: Request, token_ids: list[int], reason: FinishReason
    ) -> AsyncGenerator[TokenOutput, None]:
        start_s = time.monotonic()
        is_over = False
        first_token_s: float | None = None
        try:
            for chunk in self._chunks(token_ids):
                await asyncio.sleep(self.delay_s)
                now_s = time.monotonic() - start_s
                yield TokenOutput(
                    chunk,
                    logprobs=_certain(chunk, request.params.logprobs),
                    prompt_logprobs=_prompt_scores(request) if first_token_s is None else (),
                    timings=Timings(0.0, now_s if first_token_s is None else first_token_s),
                )
                first_token_s = now_s if first_token_s is None else first_token_s
            is_over = True
            timings = Timings(0.0, first_token_s, finished_s=time.monotonic() - start_s)
            if self._end(token_ids) < len(token_ids):
                error = f"the script fails after {self.fail_after_tokens} tokens"
                yield TokenOutput((), finish_reason="error", timings=timings, error=error)
            else:
                yield TokenOutput((), finish_reason=reason, timings=timings)
        finally:
            if not is_over:
                self.aborted_request_ids.append(request.request_id)

    def _end(self, token_ids: list[int]) -> int:
        limit = self.fail_after_tokens
        return len(token_ids) if limit is None else min(limit, len(token_ids))

    def _chunks(self, token_ids: list[int]) -> list[tuple[int, ...]]:
        end, step = self._end(token_ids), self.tokens_per_output
        return [tuple(token_ids[i : min(i + step, end)]) for i in range(0, end, step)]


def _certain(token_ids: Sequence[int], num_top: int | None) -> tuple[TokenLogprob, ...]:
    """Probability 1 for each token; None = scores were not asked for."""
    if num_top is None:
        return ()
    return tuple(TokenLogprob(i, 0.0, ((i, 0.0),) if num_top else ()) for i in token_ids)


def _prompt_scores(request: Request) -> tuple[TokenLogprob, ...]:
    return _certain(request.prompt_token_ids[1:], request.params.prompt_logprobs)
