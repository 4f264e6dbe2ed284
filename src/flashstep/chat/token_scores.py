"""Log-probabilities of an answer's tokens, told apart by part and kept in step with its text.

Tokens whose part or fate is undecided wait: those of a call that began in the reasoning, and those
whose text may become a stop string. What a stop string swallows has no score either. Tokens of the
markup around the reasoning belong to the reasoning.
"""

from collections.abc import Iterable
from typing import Literal

from flashstep.chat.tokenizer import Tokenizer
from flashstep.types import LogprobsDelta, ScoredToken, TokenLogprob, TokenText

Part = Literal["prompt", "reasoning", "text"]


class TokenScores:
    """Collects the scores of one answer; `take` hands out those that are certain."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._undecided: list[ScoredToken] = []
        self._held: list[ScoredToken] = []  # tokens of text that may become a stop string
        self._ready: list[LogprobsDelta] = []

    def add(self, score: TokenLogprob, part: Part | None, *, is_held: bool) -> None:
        """The next token. part None: undecided, as are all up to the next one with a part.
        is_held: the end of the text up to here may become a stop string."""
        token = scored(self._tokenizer, score)
        if part is None:
            self._undecided.append(token)
            return
        self.decide("reasoning")
        if part == "text":
            self._held.append(token)
            if not is_held:
                self.release()
        else:
            self._put(part, [token])

    def decide(self, part: Part) -> None:
        """Undecided tokens belong to `part`."""
        self._put(part, self._undecided)
        self._undecided = []

    def release(self) -> None:
        """Held text is text after all."""
        self._put("text", self._held)
        self._held = []

    def cut(self, stop: str) -> None:
        """`stop` has matched at the end of the text: only tokens that begin in front of it count."""
        data = b"".join(token.token.data for token in self._held)
        end, start = data.find(stop.encode()), 0
        kept: list[ScoredToken] = []
        for token in self._held:
            if start < end:
                kept.append(token)
            start += len(token.token.data)
        self._held = kept
        self.release()

    def take(self) -> list[LogprobsDelta]:
        """What became certain since the last call, one event for each run of a part."""
        ready, self._ready = self._ready, []
        return ready

    def _put(self, part: Part, tokens: list[ScoredToken]) -> None:
        if not tokens:
            return
        if self._ready and self._ready[-1].part == part:
            tokens = [*self._ready.pop().tokens, *tokens]
        self._ready.append(LogprobsDelta(tuple(tokens), part))


def prompt_scores(tokenizer: Tokenizer, scores: Iterable[TokenLogprob]) -> LogprobsDelta:
    """Scores of a prompt's tokens but the first, which nothing predicts."""
    return LogprobsDelta(tuple(scored(tokenizer, score) for score in scores), "prompt")


def scored(tokenizer: Tokenizer, score: TokenLogprob) -> ScoredToken:
    """A score with the tokens spelled out."""
    top = tuple(_text(tokenizer, token_id, logprob) for token_id, logprob in score.top)
    return ScoredToken(_text(tokenizer, score.token_id, score.logprob), top)


def _text(tokenizer: Tokenizer, token_id: int, logprob: float) -> TokenText:
    data = tokenizer.token_bytes(token_id)
    return TokenText(token_id, data.decode("utf-8", errors="replace"), data, logprob)
