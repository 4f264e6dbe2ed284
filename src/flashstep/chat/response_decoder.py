"""Token ids of one answer -> events: detokenizer, router, tool parser and stop strings in a row.

Every cut of the same ids gives the same events (neighbours joined), and the whole answer is their fold.
Scores of tokens, where they are given, come behind the text of the same call of `feed`. Does not count
usage and never emits Finish: the caller does, with the reason that `finish` returns.
"""

import secrets
from collections.abc import Callable, Iterable, Sequence

from flashstep.chat.detokenizer import Detokenizer
from flashstep.chat.fold import merge
from flashstep.chat.stop_strings import StopStrings
from flashstep.chat.stream_router import Delta, Region, StreamRouter
from flashstep.chat.token_scores import Part, TokenScores
from flashstep.chat.tokenizer import Tokenizer
from flashstep.types import (
    Event,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    TokenLogprob,
    Tool,
    ToolCallDelta,
)  # fmt: skip


def new_call_id() -> str:
    """A fresh id for a tool call: `call_` and 22 URL-safe characters."""
    return "call_" + secrets.token_urlsafe(16)


class ResponseDecoder:
    """Decodes one answer. No tools: nothing is parsed as a call. `in_reasoning`, `calls_in_reasoning`: as in
    StreamRouter. `max_calls`: the answer is over behind so many calls."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        tools: Sequence[Tool] = (),
        stop: Sequence[str] = (),
        new_id: Callable[[], str] = new_call_id,
        in_reasoning: bool | None = True,
        max_calls: int | None = None,
        calls_in_reasoning: bool = True,
    ) -> None:
        self.reasoning_tokens = 0
        self.num_ignored = 0  # ids that came behind a stop string or the last call
        self._tokenizer = tokenizer
        self._detokenizer = Detokenizer(tokenizer)
        self._router = StreamRouter(
            tools, new_id,
            in_reasoning=in_reasoning, max_calls=max_calls, calls_in_reasoning=calls_in_reasoning,
        )  # fmt: skip
        self._max_calls = max_calls
        self._may_stop = bool(stop) or max_calls is not None
        self._scores = TokenScores(tokenizer)
        self._stop = StopStrings(stop)
        self._num_undecided = 0

    @property
    def stopped(self) -> bool:
        """A stop string matched, or no call may follow: abort the generation, nothing more will come out."""
        return self._stop.is_matched or self._router.num_calls == self._max_calls

    @property
    def stop_reason(self) -> str | None:
        """The stop string that matched."""
        return self._stop.matched

    @property
    def is_answering(self) -> bool:
        """True once the reasoning is over."""
        return self._router.region == "answer"

    def feed(self, token_ids: Iterable[int], scores: Sequence[TokenLogprob] = ()) -> list[Event]:
        """Read on; the events that are now certain. Ids behind a stop string are ignored.

        scores: one for each id, or none.
        """
        token_ids = tuple(token_ids)
        if not scores and self._is_prose(token_ids):
            return self._read_prose(token_ids)
        events: list[Event] = []
        for i, token_id in enumerate(token_ids):
            if self.stopped:
                self.num_ignored += 1
                continue
            before, is_markup = self._router.region, self._is_markup(token_id)
            events += self._pass(self._router.feed(self._detokenizer.feed((token_id,))))
            if not self._tokenizer.is_special(token_id):
                self._count(before, self._router.region)
            if scores:
                self._score(scores[i], before, is_markup=is_markup)
        return [*merge(events), *self._scores.take()]

    def _is_prose(self, token_ids: tuple[int, ...]) -> bool:
        """True when these tokens can neither end the region that they are in nor the answer."""
        return (
            not self._may_stop
            and self._router.is_steady
            and all(self._tokenizer.is_prose(token_id) for token_id in token_ids)
        )

    def _read_prose(self, token_ids: tuple[int, ...]) -> list[Event]:
        """What `feed` makes of them token by token, at once: most pieces of a stream are prose."""
        if self._router.region == "reasoning":
            self.reasoning_tokens += len(token_ids)
        return merge(self._pass(self._router.feed(self._detokenizer.feed(token_ids))))

    def finish(self, reason: FinishReason) -> tuple[list[Event], FinishReason]:
        """The answer has ended for `reason`: the remaining events and the reason to report.

        "stop" becomes "tool_calls" when calls were made, and "length" when the reasoning never ended
        (an answer that only thought is not a finished one). A matched stop string makes it "stop".
        """
        if self.stopped:
            return [], "tool_calls" if self._router.num_calls else "stop"
        events, reason = self._finish(reason)
        self._scores.decide("text" if self._router.num_calls else "reasoning")
        self._scores.release()
        return [*events, *self._scores.take()], reason

    def _finish(self, reason: FinishReason) -> tuple[list[Event], FinishReason]:
        was_undecided = self._router.region == "undecided"
        deltas = self._router.feed(self._detokenizer.flush())
        deltas += self._router.finish(is_complete=reason == "stop")
        events = self._pass(deltas)
        rest = self._stop.flush()
        if rest:
            events.append(TextDelta(rest))
        made_calls = self._router.num_calls > 0
        if was_undecided and not made_calls:
            self.reasoning_tokens += self._num_undecided
        if self.stopped:
            reason = "stop"
        if reason == "stop" and made_calls:
            reason = "tool_calls"
        elif reason == "stop" and self._router.region != "answer":
            reason = "length"
        return merge(events), reason

    def _pass(self, deltas: Iterable[Delta]) -> list[Event]:
        """Stop strings are looked for in content only; a call ends the text in front of it."""
        events: list[Event] = []
        for delta in deltas:
            match delta:
                case TextDelta(text):
                    ready = self._stop.feed(text)
                    if ready:
                        events.append(TextDelta(ready))
                case ToolCallDelta():
                    held = self._stop.flush()
                    events += [TextDelta(held), delta] if held else [delta]
                case ReasoningDelta():
                    events.append(delta)
            if self._stop.is_matched:
                break
        return events

    def _is_markup(self, token_id: int) -> bool:
        """The newline that ends the reasoning's end."""
        return self._router.is_behind_marker and self._tokenizer.token_bytes(token_id) == b"\n"

    def _score(self, score: TokenLogprob, before: Region, *, is_markup: bool) -> None:
        """Note the score of the token just read; the token that ends the reasoning belongs to it."""
        part: Part | None = "text" if before == "answer" and not is_markup else "reasoning"
        self._scores.add(
            score, None if self._router.region == "undecided" else part, is_held=self._holds_text
        )
        if self._stop.matched is not None:
            self._scores.cut(self._stop.matched)

    @property
    def _holds_text(self) -> bool:
        return self._stop.is_holding or self._stop.is_matched

    def _count(self, before: Region, after: Region) -> None:
        """Count the token just read; those of an undecided call wait for the decision."""
        if after == "undecided":
            self._num_undecided += 1
        elif after == "reasoning":
            self.reasoning_tokens += 1 + self._num_undecided
            self._num_undecided = 0
        elif before == "undecided":
            self.reasoning_tokens += self._num_undecided
            self._num_undecided = 0
