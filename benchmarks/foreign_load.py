"""How much of the CPUs others took while something was measured, and waiting until they take little.

A measurement with two threads on two busy cores says nothing about the code. Linux only; elsewhere nobody is
seen, and nothing is waited for.
"""

import os
import time
from pathlib import Path

_STAT = Path("/proc/stat")
_TICK_S = 0.01  # of /proc, by POSIX's usual USER_HZ of 100


class ForeignLoad:
    """Counts from its making on; `group` is the process group that is measured, besides this process."""

    def __init__(self, group: int) -> None:
        self._group = group
        self._start = self._read()

    def share(self) -> float:
        """Time of all CPUs that went to others, in [0, 1]."""
        if not _STAT.exists():
            return 0.0
        total, busy, own = (now - then for now, then in zip(self._read(), self._start, strict=True))
        return min(1.0, max(0.0, (busy - own) / total)) if total else 0.0

    def _read(self) -> tuple[float, float, float]:
        total, busy = _cpu_times()
        times = os.times()
        return total, busy, times.user + times.system + _group_time(self._group)


def wait_until_quiet(limit_s: float, most_busy: float = 0.1, window_s: float = 0.5) -> None:
    """Return when the CPUs were busy for at most this share of a short time, or after `limit_s`."""
    end = time.monotonic() + limit_s
    while _STAT.exists() and time.monotonic() < end:
        total, busy = _cpu_times()
        time.sleep(window_s)
        now_total, now_busy = _cpu_times()
        if now_busy - busy <= most_busy * (now_total - total):
            return


def _cpu_times() -> tuple[float, float]:
    """Seconds of all CPUs since the start of the machine: all, and not idle."""
    if not _STAT.exists():
        return 0.0, 0.0
    ticks = [int(word) for word in _STAT.read_text().split("\n", 1)[0].split()[1:9]]
    return sum(ticks) * _TICK_S, (sum(ticks) - ticks[3] - ticks[4]) * _TICK_S


def _group_time(group: int) -> float:
    """CPU seconds of the living processes of a process group."""
    total = 0
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = file.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        if int(words[2]) == group:
            total += int(words[11]) + int(words[12])
    return total * _TICK_S
