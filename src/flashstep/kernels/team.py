"""The threads of one model: thread 0 is the caller, the others are started here and mostly sleep.

A worker spins inside compiled code for a short while after each job, so that the next step finds it
awake, and then sleeps on a semaphore: an idle process uses no CPU. Not safe for concurrent callers.
"""

import threading
import weakref
from typing import Any

import numpy as np

from flashstep.kernels.entry import REASONS, publish, run
from flashstep.kernels.spmd import FIRST_WORKER, JOB, LINE, STOP, new_control


class Workers:
    """Runs jobs over fixed arrays with `num_threads` threads until `close` (or garbage collection)."""

    def __init__(self, num_threads: int, arrays: tuple[tuple[Any, ...], ...], sizes: np.ndarray) -> None:
        """arrays: Weights, Tables, Caches, Workspace, Inputs as plain tuples; sizes: see `publish`."""
        self._arrays, self._sizes, self._num_threads = arrays, sizes, num_threads
        self._control = new_control(num_threads)
        self._sleepers = np.zeros(num_threads, np.int64)
        # A worker that has not arrived yet counts as asleep.
        self._control[FIRST_WORKER + LINE :: LINE] = 1
        self._bells = [threading.Semaphore(0) for _ in range(num_threads)]
        self._threads = [
            threading.Thread(
                target=_work, args=(i, num_threads, arrays, self._control, self._bells[i]), daemon=True,
                name=f"flashstep-kernel-{i}",
            )
            for i in range(1, num_threads)
        ]  # fmt: skip
        for thread in self._threads:
            thread.start()
        self._finalizer = weakref.finalize(self, _stop, self._control, self._bells)

    def run(self) -> None:
        """Carry out the staged batch; ValueError when it does not fit the arrays or after `close`."""
        if not self._finalizer.alive:
            raise ValueError("these worker threads are closed; load the model again")
        woken = publish(self._arrays[4], self._sizes, self._control, self._num_threads, self._sleepers)
        if woken < 0:
            raise ValueError(f"this batch cannot run: {REASONS[woken]}")
        for worker in self._sleepers[:woken]:
            self._bells[worker].release()
        run(0, self._num_threads, *self._arrays, self._control)

    def close(self) -> None:
        """Stop and join the workers, then let the arrays go; `run` refuses afterwards."""
        self._finalizer()
        for thread in self._threads:
            thread.join()
        self._arrays = ()


def _work(
    thread: int, num_threads: int, arrays: tuple[Any, ...], control: np.ndarray, bell: threading.Semaphore
) -> None:
    while True:
        bell.acquire()
        if control[STOP]:
            return
        run(thread, num_threads, *arrays, control)
        if control[STOP]:
            return


def _stop(control: np.ndarray, bells: list[threading.Semaphore]) -> None:
    control[STOP] = 1
    control[JOB] += 1
    for bell in bells:
        bell.release()
