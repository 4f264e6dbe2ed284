"""Scores of tokens in the form of the legacy completions: four parallel lists.

A token whose bytes are no whole characters is written `bytes:\\xe2\\x80`, as OpenAI does, so that
different tokens keep different names. Offsets count characters from the beginning of the choice's
`text`. `top_logprobs` always contains the chosen token, also when it is not among the best.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from flashstep.server.logprobs import IMPOSSIBLE
from flashstep.types import ScoredToken

_CONTINUATION = range(0x80, 0xC0)  # bytes inside a UTF-8 character


def token_name(data: bytes) -> str:
    """The text of a token's bytes, or their escaped form when they are no text."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in data)


@dataclass(slots=True)
class LegacyLogprobs:
    """The four lists, from the first token of a text to its last."""

    tokens: list[str] = field(default_factory=list)
    token_logprobs: list[float | None] = field(default_factory=list)
    top_logprobs: list[dict[str, float] | None] = field(default_factory=list)
    text_offset: list[int] = field(default_factory=list)

    def add_unscored(self, data: bytes, offset: int) -> int:
        """A token that nothing stands before, so it has no probability; the offset behind it."""
        self.tokens.append(token_name(data))
        self.token_logprobs.append(None)
        self.top_logprobs.append(None)
        self.text_offset.append(offset)
        return offset + _num_begun(data)

    def add(self, scored: Iterable[ScoredToken], offset: int) -> int:
        """Tokens that follow at `offset`; the offset behind them."""
        for item in scored:
            data = item.token.data
            self.tokens.append(token_name(data))
            self.token_logprobs.append(_finite(item.token.logprob))
            self.top_logprobs.append(_best(item))
            # A token that begins inside a character belongs where that character is.
            self.text_offset.append(offset - (data[:1] != b"" and data[0] in _CONTINUATION))
            offset += _num_begun(data)
        return offset

    def extend(self, later: "LegacyLogprobs") -> None:
        """Append what follows."""
        self.tokens += later.tokens
        self.token_logprobs += later.token_logprobs
        self.top_logprobs += later.top_logprobs
        self.text_offset += later.text_offset

    def wire(self) -> dict[str, Any]:
        """The object of the response."""
        return {
            "tokens": self.tokens,
            "token_logprobs": self.token_logprobs,
            "top_logprobs": self.top_logprobs,
            "text_offset": self.text_offset,
        }


def _best(item: ScoredToken) -> dict[str, float]:
    best: dict[str, float] = {}
    for token in (*item.top, item.token):
        best.setdefault(token_name(token.data), _finite(token.logprob))
    return best


def _finite(logprob: float) -> float:
    return max(logprob, IMPOSSIBLE)


def _num_begun(data: bytes) -> int:
    """Characters that begin in `data`."""
    return sum(byte not in _CONTINUATION for byte in data)
