"""When a run ends before its recipe does: after some minutes, on Ctrl-C, on SIGTERM.

Always between two steps: an update changes the weights one after the other, and a run that ended in the
middle of one would save some of them moved and some not, and move these twice when it went on.
"""

import signal
import time
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Asked between steps whether the run is over. As a context it takes the two signals; the second one of
    them ends the program at once, and what was done since the last checkpoint is lost.

    minutes: how long the run may take, None = for ever.
    """

    def __init__(self, minutes: float | None = None) -> None:
        self._deadline = time.monotonic() + minutes * 60 if minutes is not None else float("inf")
        self._is_signalled = False
        self._before: dict[signal.Signals, signal._HANDLER] = {}

    def __bool__(self) -> bool:
        return self._is_signalled or time.monotonic() >= self._deadline

    def __enter__(self) -> "Stop":
        self._before = {each: signal.signal(each, self._take) for each in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self._is_signalled:
            signal.default_int_handler(number, frame)
        self._is_signalled = True


def leave_signals_to_the_run(_: int = 0) -> None:
    """For processes that make batches: a terminal's Ctrl-C reaches them, too, and so does the SIGTERM of a
    service manager. They end when the run does."""
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
