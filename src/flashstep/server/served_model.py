"""What the service needs from a model: a conversation in, a stream of events out.

`backends.chat_model.ChatModel` is one; the service knows nothing else about engines.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from flashstep.backends.base import EngineStats
from flashstep.types import FREE, AnswerRule, Event, Message, SamplingParams, Tool


class ServedModel(Protocol):
    """The one model behind a server."""

    @property
    def model_name(self) -> str:
        """The loaded model's own name."""
        ...

    @property
    def fingerprint(self) -> str:
        """Changes when weights or the way they are computed change."""
        ...

    @property
    def context_length(self) -> int:
        """Tokens that prompt and answer may have together."""
        ...

    @property
    def vocab_size(self) -> int:
        """Token ids are below this."""
        ...

    @property
    def max_concurrency(self) -> int:
        """Generations that are computed at the same time; more would wait inside."""
        ...

    def is_healthy(self) -> bool:
        """False once no request can be answered any more, or not yet again."""
        ...

    @property
    def is_restarting(self) -> bool:
        """True while it is not healthy and will be again without anybody's help."""
        ...

    def stats(self) -> EngineStats:
        """A snapshot; cheap."""
        ...

    def prompt_token_ids(
        self, messages: Sequence[Message], tools: Sequence[Tool], *, add_generation_prompt: bool = True
    ) -> list[int]:
        """The prompt that a conversation becomes, with or without the beginning of an answer. Raises
        InvalidRequest."""
        ...

    def tokenize(self, text: str, *, control: bool = False) -> list[int]:
        """Token ids of `text`; what spells a control token is that token only with `control`."""
        ...

    def detokenize(self, token_ids: Sequence[int]) -> str:
        """The text of token ids, control tokens written out. Raises InvalidRequest for an unknown id."""
        ...

    def chat(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool],
        params: SamplingParams,
        *,
        rule: AnswerRule = FREE,
        trace_id: str,
        request_id: str,
    ) -> AsyncGenerator[Event, None]:
        """Answer a conversation; the stream ends with exactly one Finish.

        Closing the iterator, or cancelling the task that awaits it, aborts the generation.
        Raises InvalidRequest, Overloaded or EngineDead before the first event.
        """
        ...

    def complete(
        self,
        prompt: str | Sequence[int],
        params: SamplingParams,
        *,
        trace_id: str,
        request_id: str,
    ) -> AsyncGenerator[Event, None]:
        """Continue a raw prompt, without template and reasoning; all text comes as TextDelta.
        Otherwise like `chat`."""
        ...
