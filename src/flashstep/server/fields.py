"""Which fields of chat completions are honoured, refused, harmless or unknown.

Honoured        the fields of `protocol.ChatRequest`.
Refused, 400    REFUSED below: ignoring one of these would change the answer behind the caller's
                back. Each has values that mean "off" and are accepted.
Harmless        HARMLESS below: bookkeeping and hints that cannot change an answer, at any endpoint.
Unknown         ignored, with a log line.

What another endpoint refuses stands in a table of its own.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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
        "prediction",
    }
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A field that this version cannot honour: values that ask for nothing, and what to do instead.
    null is always accepted."""

    off_values: tuple[Any, ...]
    advice: str


_TEXT_ONLY = "this model reads and writes text only"
_SCHEMA = "send response_format of type json_schema instead"

# vLLM's names for a form of the answer.
GUIDED = ("guided_json", "guided_regex", "guided_choice", "guided_grammar", "structured_outputs")
# What it has besides, for any kind of prompt.
UNKNOWN_TO_THE_ENGINE: Mapping[str, Refusal] = {
    "allowed_token_ids": Refusal(([],), "send logit_bias"),
    "bad_words": Refusal(([],), "send logit_bias"),
    "include_stop_str_in_output": Refusal((False,), "add the string yourself; stop_reason names it"),
    "truncate_prompt_tokens": Refusal((), "shorten the prompt yourself"),
    "prompt_logprobs": Refusal((), "send echo and logprobs to /v1/completions"),
}

REFUSED: Mapping[str, Refusal] = {
    "functions": Refusal(([],), "send tools instead"),
    "function_call": Refusal(("auto", "none"), "send tools and tool_choice instead"),
    "audio": Refusal((), _TEXT_ONLY),
    "modalities": Refusal((["text"], []), _TEXT_ONLY),
    "moderation": Refusal((), "nothing is moderated here; leave it out"),
    "web_search_options": Refusal((), "offer a search function in tools instead"),
    "min_tokens": Refusal((0,), "leave it out, or send ignore_eos with max_tokens"),
    "best_of": Refusal((1,), "send n and choose among the answers"),
    "use_beam_search": Refusal((False,), "leave it out"),
    **{name: Refusal((), _SCHEMA) for name in GUIDED},
    "continue_final_message": Refusal((False,), "send the begun text to /v1/completions instead"),
    "add_generation_prompt": Refusal((True,), "leave it out"),
    "chat_template": Refusal((), "the checkpoint's own is used; leave it out"),
    **UNKNOWN_TO_THE_ENGINE,
}


def refuse_unsupported(
    raw: Mapping[str, Any], refused: Mapping[str, Refusal] = REFUSED, *, by: str = "this version"
) -> None:
    """Raise InvalidRequest naming field, value and way out, for the first field of `refused` that asks for
    something; `by` says who cannot do it."""
    for name, refusal in refused.items():
        value = raw.get(name)
        if value is not None and not _is_off(value, refusal.off_values):
            raise InvalidRequest(
                f"{name}: {shown(value)} is not supported by {by}; {refusal.advice}",
                param=name,
                code="unsupported_parameter",
            )


def _is_off(value: object, off_values: tuple[Any, ...]) -> bool:
    # True == 1 in Python, and n: true is a mistake.
    return any(isinstance(value, bool) == isinstance(off, bool) and value == off for off in off_values)


def log_unknown(names: set[str]) -> None:
    """Log, once per request, those of the fields that are no bookkeeping."""
    if unknown := names - HARMLESS:
        logger.info("ignored unknown request fields: %s", shown(sorted(unknown)))


def first_repeated(names: Iterable[str]) -> int | None:
    """Index of the first name that was there before; None when all differ. Empty names do not count."""
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name and name in seen:
            return index
        seen.add(name)
    return None


def shown(value: object, limit: int = 80) -> str:
    """`value` for an error message, shortened to `limit` characters."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def rename_field(error: InvalidRequest, names: Mapping[str, str]) -> None:
    """Name the field as it is called at this endpoint, so that the caller finds it in the request; `names`
    has those that the layers below call as chat completions do."""
    name = names.get(error.param or "")
    if name is not None:
        error.message = error.message.replace(f"{error.param}:", f"{name}:", 1)
        error.param = name
