"""Log-probabilities in the form of `output_text.logprobs`."""

from typing import Any

from flashstep.types import ScoredToken, TokenText


def score_object(scored: ScoredToken) -> dict[str, Any]:
    """A token with its score and the best alternatives."""
    return {**_token(scored.token), "top_logprobs": [_token(token) for token in scored.top]}


def _token(token: TokenText) -> dict[str, Any]:
    return {"token": token.text, "logprob": token.logprob, "bytes": list(token.data)}
