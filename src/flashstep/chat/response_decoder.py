"""Token ids of one answer -> events: detokenizer, router, tool parser and stop strings in a row.

Every cut of the same ids gives the same events (neighbours joined), and the whole answer is their fold.
Does not count usage and never emits Finish: the caller does, with the reason that `finish` returns.
"""

import secrets
from collections.abc import Callable, Iterable, Sequence

from flashstep.chat.detokenizer import Detokenizer
from flashstep.chat.fold import merge
from flashstep.chat.stop_strings import StopStrings
from flashstep.chat.stream_router import Delta, Region, StreamRouter
from flashstep.chat.tokenizer import Tokenizer
from flashstep.types import Event, FinishReason, ReasoningDelta, TextDelta, Tool, ToolCallDelta


def new_call_id() -> str:
    """A fresh id for a tool call: `call_` and 22 URL-safe characters."""
    return "call_" + secrets.token_urlsafe(16)


class ResponseDecoder:
    """Decodes one answer. No tools: nothing is parsed as a call. `in_reasoning` False: the prompt
    already closed the reasoning."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        tools: Sequence[Tool] = (),
        stop: Sequence[str] = (),
        new_id: Callable[[], str] = new_call_id,
        in_reasoning: bool = True,
    ) -> None:
        self.reasoning_tokens = 0
        self._tokenizer = tokenizer
        self._detokenizer = Detokenizer(tokenizer)
        self._router = StreamRouter(tools, new_id, in_reasoning=in_reasoning)
        self._stop = StopStrings(stop)
        self._num_undecided = 0

    @property
    def stopped(self) -> bool:
        """A stop string matched: abort the generation, nothing more will come out."""
        return self._stop.is_matched

    def feed(self, token_ids: Iterable[int]) -> list[Event]:
        """Read on; the events that are now certain. Ids behind a stop string are ignored."""
        events: list[Event] = []
        for token_id in token_ids:
            if self.stopped:
                break
            before = self._router.region
            events += self._pass(self._router.feed(self._detokenizer.feed((token_id,))))
            if not self._tokenizer.is_special(token_id):
                self._count(before, self._router.region)
        return merge(events)

    def finish(self, reason: FinishReason) -> tuple[list[Event], FinishReason]:
        """The answer has ended for `reason`: the remaining events and the reason to report.

        "stop" becomes "tool_calls" when calls were made, and "length" when the reasoning never ended
        (an answer that only thought is not a finished one). A matched stop string makes it "stop".
        """
        if not self.stopped:
            return self._finish(reason)
        return [], "tool_calls" if self._router.num_calls else "stop"

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
            if self.stopped:
                break
        return events

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
