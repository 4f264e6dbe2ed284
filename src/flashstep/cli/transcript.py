"""Shows one answer as it streams: reasoning dimmed, then the text, then a line of numbers.

The answer goes to stdout and everything else to stderr, so that `flashstep ask ... > file` keeps exactly
the answer. Collects what it saw, for `--json` and for the history of a chat.
"""

from collections.abc import AsyncIterator

from rich.console import Console

from flashstep.chat.fold import Fold
from flashstep.types import Event, Finish, ReasoningDelta, TextDelta, Usage

# Model output is data: nothing in it may move the cursor or change the terminal's state.
UNPRINTABLE = {c: None for c in (*range(32), *range(127, 160)) if chr(c) not in "\n\t"}


class Transcript:
    """Prints events to two consoles; with `is_quiet` it only collects them."""

    def __init__(self, out: Console, err: Console, *, is_quiet: bool = False) -> None:
        self._out = out
        self._err = err
        self._is_quiet = is_quiet
        self.fold = Fold()
        self._last: Event | None = None

    async def show(self, events: AsyncIterator[Event]) -> Fold:
        """Follow the stream to its end, printing each piece when it arrives."""
        async for event in events:
            if not self._is_quiet:
                self._print(event)
            self.fold.add(event)
            self._last = event
        return self.fold

    def _print(self, event: Event) -> None:
        match event:
            case ReasoningDelta(text):
                _write_dim(self._err, text)
            case TextDelta(text):
                if isinstance(self._last, ReasoningDelta):
                    self._err.print("\n")
                _write_exactly(self._out, text)
            case Finish():
                (self._err if isinstance(self._last, ReasoningDelta) else self._out).print()

    def print_summary(self) -> None:
        """One dim line on stderr: tokens, speed, drafts kept, why it ended."""
        finish = self.fold.finish
        if finish is not None and not self._is_quiet:
            line = " · ".join(_figures(finish))
            self._err.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)


def tokens_per_second(finish: Finish) -> float | None:
    """Speed of generation after the first token (1 / TPOT); None when there is nothing to divide."""
    times = finish.timings
    if times.first_token_s is None or times.finished_s is None:
        return None
    seconds = times.finished_s - times.first_token_s
    if seconds <= 0 or finish.usage.completion_tokens < 2:
        return None
    return (finish.usage.completion_tokens - 1) / seconds


def _figures(finish: Finish) -> list[str]:
    figures = [_tokens(finish.usage)]
    speed = tokens_per_second(finish)
    if speed is not None:
        figures.append(f"{speed:,.0f} tokens/s")
    if finish.timings.num_drafted:
        figures.append(f"{finish.timings.num_accepted / finish.timings.num_drafted:.0%} of drafts kept")
    if finish.reason not in ("stop", "tool_calls"):
        figures.append(f"ended by {finish.reason}" + (f": {finish.error}" if finish.error else ""))
    return figures


def _tokens(usage: Usage) -> str:
    return f"{usage.completion_tokens} tokens ({usage.reasoning_tokens} of reasoning)"


def _write_dim(console: Console, text: str) -> None:
    console.print(
        text.translate(UNPRINTABLE), end="", style="dim", markup=False, highlight=False, soft_wrap=True
    )
    console.file.flush()


def _write_exactly(console: Console, text: str) -> None:
    """Rich would expand tabs; a file or a pipe gets every character as the model wrote it."""
    console.file.write(text.translate(UNPRINTABLE) if console.is_terminal else text)
    console.file.flush()
