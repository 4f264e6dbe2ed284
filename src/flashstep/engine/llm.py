"""Offline use: many prompts in, their answers out, continuously batched, no threads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from flashstep.engine.config import EngineConfig
from flashstep.engine.engine import Engine
from flashstep.errors import InvalidRequest
from flashstep.types import FinishReason, Request, SamplingParams, Timings, TokenLogprob, TokenOutput


@dataclass(slots=True)
class Completion:
    """One answer. `token_ids` includes the token that ended it; `finish_reason` None = not yet.
    `stop_reason` "repetition": the repetition guard ended it."""

    token_ids: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    prompt_logprobs: list[TokenLogprob] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    stop_reason: str | None = None
    timings: Timings = field(default_factory=Timings)

    @property
    def is_whole(self) -> bool:
        """Whether it came to its own end: not to a limit of tokens, nor to the repetition guard, which ends
        it with "length", too."""
        return self.finish_reason not in (None, "length")

    def add(self, output: TokenOutput) -> None:
        """Append one step's output."""
        self.token_ids += output.token_ids
        self.logprobs += output.logprobs
        self.prompt_logprobs += output.prompt_logprobs
        self.finish_reason = output.finish_reason
        self.stop_reason = output.stop_reason
        self.timings = output.timings


class LLM:
    """An engine driven by its caller. Close it (or use `with`) to give its memory back."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def load(
        cls, path: str | Path, *, num_valid_tokens: int | None = None,
        on_progress: Callable[[str], None] | None = None, **options: Any,
    ) -> "LLM":  # fmt: skip
        """Load a checkpoint folder; `options` are fields of `EngineConfig`, others a ConfigError.

        num_valid_tokens: the tokenizer's size where the vocabulary is padded beyond it.
        """
        from flashstep.engine.loading import load_engine

        config = EngineConfig.from_options(options)
        engine = load_engine(Path(path), config, num_valid_tokens=num_valid_tokens, on_progress=on_progress)
        return cls(engine)

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        params: SamplingParams | Sequence[SamplingParams],
        *,
        eos_token_ids: frozenset[int] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Completion]:
        """Answer all prompts (token ids); completions come back in their order.

        params: one for all or one each. eos_token_ids: None = the checkpoint's.
        progress: called with (finished, total) after each finished prompt.
        Raises InvalidRequest before anything runs when one of the prompts cannot be served.
        """
        requests = self._requests(prompts, params, eos_token_ids)
        for request in requests:
            self.engine.validate(request)
        completions = {request.request_id: Completion() for request in requests}
        try:
            for request in requests:
                self.engine.add(request)
            self._run(completions, progress)
        finally:
            for request in requests:  # only an exception leaves some of them live
                self.engine.abort(request.request_id)
        return list(completions.values())

    def close(self) -> None:
        """Close the engine."""
        self.engine.close()

    def __enter__(self) -> "LLM":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _requests(
        self, prompts: Sequence[Sequence[int]], params: SamplingParams | Sequence[SamplingParams],
        eos_token_ids: frozenset[int] | None,
    ) -> list[Request]:  # fmt: skip
        each = [params] * len(prompts) if isinstance(params, SamplingParams) else list(params)
        if len(each) != len(prompts):
            raise InvalidRequest(f"{len(each)} params for {len(prompts)} prompts; give one, or one each")
        if any(p.stop for p in each):
            raise InvalidRequest("stop strings need text; here give stop_token_ids", param="stop")
        eos = self.engine.eos_token_ids if eos_token_ids is None else eos_token_ids
        pairs = enumerate(zip(prompts, each, strict=True))
        return [Request(f"offline-{i}", "", tuple(ids), p, eos) for i, (ids, p) in pairs]

    def _run(self, completions: dict[str, Completion], progress: Callable[[int, int], None] | None) -> None:
        num_finished = 0
        while num_finished < len(completions):
            for request_id, output in self.engine.step():
                completions[request_id].add(output)
                if output.finish_reason is not None:
                    num_finished += 1
                    if progress is not None:
                        progress(num_finished, len(completions))
