"""Scored tokens in OpenAI's form: `{token, logprob, bytes, top_logprobs}`.

`content` holds the tokens of the answer alone, as clients expect. Those of the reasoning are in a
member of their own, `reasoning`, which is ours and has the same form.
"""

from collections.abc import Iterable
from typing import Any

from flashstep.types import ScoredToken, TokenText

IMPOSSIBLE = -9999.0  # OpenAI's stand-in for minus infinity, which JSON cannot say


def token_objects(tokens: Iterable[ScoredToken]) -> list[dict[str, Any]]:
    """The wire objects of scored tokens."""
    return [_object(t.token) | {"top_logprobs": [_object(top) for top in t.top]} for t in tokens]


def logprobs_object(content: list[dict[str, Any]], reasoning: list[dict[str, Any]] | None) -> dict[str, Any]:
    """The member `logprobs` of a choice; `reasoning` None leaves that member out."""
    whole: dict[str, Any] = {"content": content, "refusal": None}
    return whole if reasoning is None else whole | {"reasoning": reasoning}


def _object(token: TokenText) -> dict[str, Any]:
    return {"token": token.text, "logprob": max(token.logprob, IMPOSSIBLE), "bytes": list(token.data)}
