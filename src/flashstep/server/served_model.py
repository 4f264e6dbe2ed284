"""What the service needs from a model: a conversation in, a stream of events out.

`backends.chat_model.ChatModel` is one; the service knows nothing else about engines.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from flashstep.types import Event, Message, SamplingParams, Tool


class ServedModel(Protocol):
    """The one model behind a server."""

    @property
    def model_name(self) -> str:
        """The loaded model's own name."""
        ...

    @property
    def context_length(self) -> int:
        """Tokens that prompt and answer may have together."""
        ...

    def is_healthy(self) -> bool:
        """False once no request can be answered any more."""
        ...

    def chat(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool],
        params: SamplingParams,
        *,
        trace_id: str,
        request_id: str,
    ) -> AsyncGenerator[Event, None]:
        """Answer a conversation; the stream ends with exactly one Finish.

        Closing the iterator, or cancelling the task that awaits it, aborts the generation.
        Raises InvalidRequest, Overloaded or EngineDead before the first event.
        """
        ...
