"""What streamed and whole answers share: the envelope, the token counts, the finish reason."""

from dataclasses import dataclass, field
from typing import Any

from flashstep.server.generation import failure_of
from flashstep.server.service import Answer
from flashstep.types import Finish, Usage

WARNING_HEADER = "X-Flashstep-Warning"
# What a stream is taken to have ended with when its producer broke off without a word.
UNFINISHED = Finish("error", error="the stream ended without a finish")


def envelope(answer: Answer, object_name: str) -> dict[str, Any]:
    """The leading members of a response object or chunk."""
    return {
        "id": answer.request_id,
        "object": object_name,
        "created": answer.created,
        "model": answer.model,
        "system_fingerprint": answer.fingerprint,
        "trace_id": answer.trace_id,
    }


@dataclass(slots=True)
class UsageMeter:
    """Adds up the counts of the answers to one question, also while they grow: the prompt counts once,
    and as cached only what was cached for all of them."""

    _by_choice: dict[int, Usage] = field(default_factory=dict)

    def note(self, index: int, usage: Usage | None) -> None:
        """The counts of answer number `index` so far; None changes nothing."""
        if usage is not None:
            self._by_choice[index] = usage

    @property
    def total(self) -> Usage:
        """The counts of all answers together."""
        usages = self._by_choice.values()
        if not usages:
            return Usage()
        return Usage(
            prompt_tokens=max(usage.prompt_tokens for usage in usages),
            completion_tokens=sum(usage.completion_tokens for usage in usages),
            reasoning_tokens=sum(usage.reasoning_tokens for usage in usages),
            cached_tokens=min(usage.cached_tokens for usage in usages),
        )


def usage_object(usage: Usage) -> dict[str, Any]:
    """Token counts, the cached ones both where the hosted service and where OpenAI has them."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "cached_tokens": usage.cached_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def wire_finish_reason(finish: Finish) -> str:
    """stop, length or tool_calls. Raises BackendError for an answer that did not come to its end."""
    failure = failure_of(finish)
    if failure is not None:
        raise failure
    return finish.reason
