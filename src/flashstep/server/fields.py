"""Which request fields are honoured, refused, harmless or only noted.

Honoured        the fields of `protocol.ChatRequest`.
Refused, 400    REFUSED below: ignoring one of these would change the answer behind the caller's
                back. Each has values that mean "off" and are accepted.
Noted           thinking switches (`reasoning_effort`, `enable_thinking`, `chat_template_kwargs`,
                `thinking`, `reasoning`): never an error, because agents send them to every model.
                This architecture always thinks and has no levels; asked to switch thinking off, the
                server hides the reasoning and says so in the header X-Flashstep-Warning.
Harmless        HARMLESS below: bookkeeping that cannot change an answer.
Unknown         ignored, with a log line.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flashstep.errors import InvalidRequest

logger = logging.getLogger("flashstep.server")

HARMLESS = frozenset(
    {
        "user",
        "metadata",
        "store",
        "service_tier",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "verbosity",
    }
)

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_NO_EFFORTS = ("none", "minimal")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A field that this version cannot honour: values that ask for nothing, and what to do instead.
    null is always accepted."""

    off_values: tuple[Any, ...]
    advice: str


REFUSED: Mapping[str, Refusal] = {
    "n": Refusal((1,), "one answer per request; send the request several times with different seeds"),
    "logprobs": Refusal((False,), "leave it out or send false"),
    "top_logprobs": Refusal((0,), "leave it out"),
    "logit_bias": Refusal(({},), "leave it out"),
    "tool_choice": Refusal(("auto", "none"), "send 'auto' or 'none'"),
    "parallel_tool_calls": Refusal((True,), "leave it out and use the first call"),
    "response_format": Refusal(
        ({"type": "text"},),
        "JSON mode is not part of this version; ask for JSON in the prompt, or send {'type': 'text'}",
    ),
    "thinking_token_budget": Refusal((), "leave it out, or bound the whole answer with max_tokens"),
    "functions": Refusal(([],), "send tools instead"),
    "function_call": Refusal(("auto", "none"), "send tools and tool_choice instead"),
    "audio": Refusal((), "this model reads and writes text only"),
    "modalities": Refusal((["text"], []), "this model reads and writes text only"),
    "prediction": Refusal((), "leave it out"),
    "web_search_options": Refusal((), "offer a search function in tools instead"),
}


@dataclass(frozen=True, slots=True)
class ThinkingWish:
    """What the thinking switches ask for: `hide` the reasoning; `warnings` go into the header."""

    hide: bool = False
    warnings: tuple[str, ...] = field(default=())


def refuse_unsupported(raw: Mapping[str, Any]) -> None:
    """Raise InvalidRequest naming field, value and way out, for the first field that asks for
    something this version cannot do."""
    for name, refusal in REFUSED.items():
        value = raw.get(name)
        if value is not None and not _is_off(value, refusal.off_values):
            raise InvalidRequest(
                f"{name}: {shown(value)} is not supported by this version; {refusal.advice}",
                param=name,
                code="unsupported_parameter",
            )


def _is_off(value: object, off_values: tuple[Any, ...]) -> bool:
    # By type too, since True == 1 in Python and n: true is a mistake.
    return any(type(value) is type(off) and value == off for off in off_values)


def note_thinking(raw: Mapping[str, Any]) -> ThinkingWish:
    """Read the thinking switches in all the spellings that clients use."""
    effort = raw.get("reasoning_effort")
    if effort is not None and effort not in EFFORTS:
        raise InvalidRequest(
            f"reasoning_effort: {shown(effort)} is not one of {', '.join(EFFORTS)}", param="reasoning_effort"
        )
    if effort in _NO_EFFORTS or _asks_for_no_thinking(raw):
        return ThinkingWish(
            True, ("this model always thinks: thinking stays on and its reasoning is left out of the answer",)
        )
    if effort is not None:
        return ThinkingWish(False, ("reasoning_effort has no effect: this model has no levels of effort",))
    return ThinkingWish()


def _asks_for_no_thinking(raw: Mapping[str, Any]) -> bool:
    template = _object(raw, "chat_template_kwargs")
    reasoning = _object(raw, "reasoning")
    return (
        raw.get("enable_thinking") is False
        or template.get("enable_thinking") is False
        or template.get("thinking") is False
        or _object(raw, "thinking").get("type") == "disabled"
        or reasoning.get("enabled") is False
        or reasoning.get("exclude") is True
        or reasoning.get("effort") in _NO_EFFORTS
    )


def _object(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = raw.get(name)
    return value if isinstance(value, dict) else {}


_NOTED = frozenset({"reasoning_effort", "enable_thinking", "chat_template_kwargs", "thinking", "reasoning"})


def log_unknown(names: set[str]) -> None:
    """Log, once per request, the fields that nothing here knows."""
    unknown = sorted(names - HARMLESS - _NOTED - REFUSED.keys())
    if unknown:
        logger.info("ignored unknown request fields: %s", shown(unknown))


def shown(value: object, limit: int = 80) -> str:
    """`value` for an error message, shortened to `limit` characters."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
