"""The threads of one model: thread 0 is the caller, the others are started here and mostly sleep.

A worker spins inside compiled code for a short while after each job, so that the next step finds it
awake, and then sleeps on a semaphore: an idle process uses no CPU. Not safe for concurrent callers.
"""

import threading
import weakref
from typing import Any

import numpy as np

from flashstep.kernels.decoding import Decoding
from flashstep.kernels.entry import ANNOUNCE, REASONS, Crew, run
from flashstep.kernels.pointers import addresses
from flashstep.kernels.spmd import FIRST_WORKER, JOB, LINE, STOP, new_control
from flashstep.kernels.tables import Caches, Inputs, Int64, Tables, Weights
from flashstep.kernels.workspace import Workspace


class Workers:
    """Runs jobs over fixed arrays with `num_threads` threads until `close` (or garbage collection)."""

    def __init__(
        self, num_threads: int, weights: Weights, tables: Tables, caches: Caches, work: Workspace,
        inputs: Inputs, decoding: Decoding, limits: Int64,
    ) -> None:  # fmt: skip
        """limits: see `Crew`."""
        crew = Crew(new_control(num_threads), limits, np.zeros(num_threads, np.int64))
        self._control, self._sleepers, self._num_threads = crew.control, crew.sleepers, num_threads
        # Whoever runs holds the arrays, not their addresses alone.
        self._arrays: Any = (crew, weights, tables, caches, work, inputs, decoding)
        self._addresses, self._cached = addresses(self._arrays), caches.full_k.dtype.type(0)
        # A worker that has not arrived yet counts as asleep.
        self._control[FIRST_WORKER + LINE :: LINE] = 1
        self._bells = [threading.Semaphore(0) for _ in range(num_threads)]
        self._threads = [
            threading.Thread(
                target=_work, daemon=True, name=f"flashstep-kernel-{i}",
                args=(i, num_threads, self._addresses, self._cached, self._arrays, self._bells[i]),
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
        try:
            woken = run(ANNOUNCE, self._num_threads, self._addresses, self._cached)
            if woken < 0:
                raise ValueError(f"this batch cannot run: {REASONS[woken]}")
            self._carry_out()
        except KeyboardInterrupt:  # a job that is announced must be done, or somebody waits for it for ever
            self._carry_out()
            raise

    def _carry_out(self) -> None:
        """Wake the sleepers and do the announced job with them; nothing where it is done already."""
        num_sleepers = int(self._sleepers[-1])
        if num_sleepers == 0:
            return
        for worker in self._sleepers[:num_sleepers]:
            self._bells[worker].release()  # who is awake already does not mind
        run(0, self._num_threads, self._addresses, self._cached)

    def close(self) -> None:
        """Stop and join the workers, then let the arrays go; `run` refuses afterwards."""
        self._finalizer()
        for thread in self._threads:
            thread.join()
        self._arrays = None


def _work(
    thread: int, num_threads: int, addresses: Int64, cached: np.generic, arrays: tuple[Any, ...],
    bell: threading.Semaphore,
) -> None:  # fmt: skip
    control = arrays[0].control
    while True:
        bell.acquire()
        if control[STOP]:
            return
        run(thread, num_threads, addresses, cached)
        if control[STOP]:
            return


def _stop(control: np.ndarray, bells: list[threading.Semaphore]) -> None:
    control[STOP] = 1
    control[JOB] += 1
    for bell in bells:
        bell.release()
