"""The events of one answer as pieces of a `text_completion` choice; the whole choice is their fold."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flashstep.server.completions.legacy_logprobs import LegacyLogprobs
from flashstep.server.completions.prompt import Prompt
from flashstep.server.envelope import wire_finish_reason
from flashstep.server.served_model import ServedModel
from flashstep.types import Event, Finish, LogprobsDelta, ScoredToken, TextDelta, Usage


@dataclass(frozen=True, slots=True)
class Piece:
    """What one chunk says. `logprobs` None = no token of it is scored. `usage`: the counts so far, None = as
    before."""

    text: str
    logprobs: LegacyLogprobs | None = None
    finish: Finish | None = None
    usage: Usage | None = None

    def wire(self, index: int) -> dict[str, Any]:
        """The member of `choices`. Raises BackendError when the answer failed."""
        return {
            "text": self.text,
            "index": index,
            "logprobs": self.logprobs.wire() if self.logprobs else None,
            "finish_reason": wire_finish_reason(self.finish) if self.finish else None,
            "stop_reason": self.finish.stop_reason if self.finish else None,
        }


@dataclass(frozen=True, slots=True)
class Echo:
    """The prompt as text, where an answer is to begin with it; `first_token` are the bytes of its
    first token, None = whatever the scored tokens leave over."""

    text: str
    first_token: bytes | None = None

    @classmethod
    def of(cls, prompt: Prompt, model: ServedModel) -> "Echo":
        """The text that a prompt stands for."""
        if isinstance(prompt, str):
            return cls(prompt)
        return cls(model.detokenize(prompt), model.detokenize(prompt[:1]).encode())

    def first(self, rest: list[ScoredToken]) -> bytes:
        """The bytes of the token in front of `rest`, with which the prompt is complete."""
        if self.first_token is not None:
            return self.first_token
        data = self.text.encode()
        return data[: len(data) - sum(len(item.token.data) for item in rest)]


class ChoiceReader:
    """Reads the events of one answer. Where tokens are scored, text waits for its scores, which come
    right behind it.

    echo: None = the prompt is not repeated. score_only: nothing generated goes out.
    """

    def __init__(self, *, echo: Echo | None, scored: bool, score_only: bool) -> None:
        self._echo = echo
        self._scored = scored
        self._score_only = score_only
        self._offset = 0
        self._prompt_tokens: list[ScoredToken] = []
        self._text = ""
        self._usage: Usage | None = None

    def read(self, event: Event) -> Piece | None:
        """The next piece, None when the event adds none yet. The last piece has the finish."""
        match event:
            case Finish():
                return self._piece((), event)
            case LogprobsDelta(tokens, "prompt"):
                self._prompt_tokens += tokens
            case _ if self._score_only:
                return None
            case LogprobsDelta(tokens):
                return self._piece(tokens)
            case TextDelta(text):
                self._text += text
                self._usage = event.usage
                return None if self._scored else self._piece(())
        return None

    def _piece(self, tokens: Iterable[ScoredToken], finish: Finish | None = None) -> Piece:
        logprobs = LegacyLogprobs()
        if self._echo is not None:
            self._text = self._echo.text + self._text
            if self._scored:
                first = self._echo.first(self._prompt_tokens)
                self._offset = logprobs.add_unscored(first, self._offset)
                self._offset = logprobs.add(self._prompt_tokens, self._offset)
            self._echo = None
        self._offset = logprobs.add(tokens, self._offset)
        text, self._text = self._text, ""
        usage = self._usage if finish is None else finish.usage
        return Piece(text, logprobs if logprobs.tokens else None, finish, usage)
