"""Several threads inside one compiled call: atomics, a barrier, and waiting for the next job.

`control` is an int64 array shared by all threads; its words lie on separate cache lines.
Waiting spins for some microseconds, then offers the core to others.
Nothing here blocks: a worker that waited long enough marks itself asleep and returns, and
its Python thread sleeps on a semaphore (team.py) until `claim_sleepers` names it.
"""

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from flashstep.kernels.cpu import IS_X86
from flashstep.kernels.intrinsics import declare
from flashstep.kernels.jit import inner_kernel

LINE = 8  # int64 words per cache line
ARRIVED, JOB, STOP, FIRST_WORKER = 0, LINE, 2 * LINE, 3 * LINE
SPINS_BEFORE_YIELD = 100
SPINS_BEFORE_SLEEP = 3000

_INT64 = ir.IntType(64)
_sched_yield = types.ExternalFunction("sched_yield", types.int32())


class Team(NamedTuple):
    """This thread's view of the threads that run one step together."""

    control: NDArray[np.int64]
    thread: int
    num_threads: int


def new_control(num_threads: int) -> NDArray[np.int64]:
    """Fresh shared words for `num_threads` threads."""
    return np.zeros(FIRST_WORKER + num_threads * LINE, np.int64)


def _word(context: Any, builder: ir.IRBuilder, array_type: Any, array: Any, index: ir.Value) -> ir.Value:
    is_pointer = isinstance(array_type, types.CPointer)
    data = array if is_pointer else context.make_array(array_type)(context, builder, array).data
    address = builder.add(builder.ptrtoint(data, _INT64), builder.mul(index, ir.Constant(_INT64, 8)))
    return builder.inttoptr(address, _INT64.as_pointer())


@intrinsic
def atomic_add(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """array[index] += value; returns the old value."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = _word(context, builder, signature.args[0], args[0], args[1])
        return builder.atomic_rmw("add", word, args[2], "seq_cst")

    return types.int64(array, types.int64, types.int64), codegen


@intrinsic
def atomic_exchange(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """array[index] = value; returns the old value."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = _word(context, builder, signature.args[0], args[0], args[1])
        return builder.atomic_rmw("xchg", word, args[2], "seq_cst")

    return types.int64(array, types.int64, types.int64), codegen


@intrinsic
def atomic_load(typing_context: Any, array: Any, index: Any) -> Any:
    """array[index], never older than what other threads have released."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = _word(context, builder, signature.args[0], args[0], args[1])
        return builder.load_atomic(word, "seq_cst", 8)

    return types.int64(array, types.int64), codegen


@intrinsic
def pause(typing_context: Any) -> Any:
    """Tell the CPU that this is a spin loop."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if IS_X86:
            builder.call(declare(builder, "llvm.x86.sse2.pause", ir.VoidType(), []), [])
        return context.get_dummy_value()

    return types.void(), codegen


@inner_kernel
def relax(spins: int) -> None:
    """One turn of a spin loop that has turned `spins` times already."""
    pause()
    if spins > SPINS_BEFORE_YIELD:
        _sched_yield()


@inner_kernel
def barrier(team: Team) -> None:
    """Wait until every thread of the team is here."""
    if team.num_threads == 1:
        return
    before = atomic_add(team.control, np.int64(ARRIVED), np.int64(1))
    target = (before // team.num_threads + 1) * team.num_threads
    spins = np.int64(0)
    while atomic_load(team.control, np.int64(ARRIVED)) < target:
        relax(spins)
        spins += 1


@inner_kernel
def own_range(team: Team, count: int) -> tuple[int, int]:
    """The half-open share of `count` items that belongs to this thread."""
    return count * team.thread // team.num_threads, count * (team.thread + 1) // team.num_threads


@inner_kernel
def claim_sleepers(control: NDArray[np.int64], num_threads: int, sleepers: NDArray[np.int64]) -> int:
    """Publish a new job; write the sleeping workers' numbers to `sleepers` [num_threads] and return how many.

    The caller must wake exactly these (they are marked awake already). The last of `sleepers`, which no
    worker needs, has their number until the job is done.
    """
    atomic_add(control, np.int64(JOB), np.int64(1))
    count = 0
    for worker in range(1, num_threads):
        if atomic_exchange(control, np.int64(FIRST_WORKER + worker * LINE), np.int64(0)) == 1:
            sleepers[count] = worker
            count += 1
    sleepers[num_threads - 1] = count
    return count


@inner_kernel
def wait_for_job(team: Team, last_job: int) -> bool:
    """Spin until a job newer than `last_job` is published; False = marked asleep, go and sleep."""
    spins = np.int64(0)
    while atomic_load(team.control, np.int64(JOB)) == last_job:
        if spins == SPINS_BEFORE_SLEEP:
            asleep = np.int64(FIRST_WORKER + team.thread * LINE)
            atomic_exchange(team.control, asleep, np.int64(1))
            # A job may have come in between; whoever takes the mark back decides.
            if atomic_load(team.control, np.int64(JOB)) == last_job:
                return False
            return atomic_exchange(team.control, asleep, np.int64(0)) == 1
        relax(spins)
        spins += 1
    return True
