"""Worker threads sleep when idle and wake for the next job; kernels are cached and run on any CPU."""

import json
import time
from contextlib import suppress

import numpy as np
import pytest
from elsewhere import RUNNABLE, computed_elsewhere, environment_of
from flat_batches import run_in_chunks, run_whole

from flashstep.kernels.entry import ANNOUNCE, run
from flashstep.kernels.spmd import FIRST_WORKER, LINE
from flashstep.kernels.warmup import compile_all

CHILD = """
import json, sys
import numpy as np
from pathlib import Path
from flat_batches import run_whole
from flashstep.engine.runner import Runner
from flashstep.kernels.entry import run
runner = Runner.load(
    Path(sys.argv[1]), weight_format=sys.argv[2], num_threads=2, num_full_blocks=3, num_sliding_blocks=3,
    max_batch_tokens=64, max_sequences=1,
)
logits, _ = run_whole(runner, json.loads(sys.argv[3]))
print(json.dumps({"hits": sum(run.stats.cache_hits.values()), "logits": logits.tolist()}))
"""


def is_asleep(runner, worker):
    """True when the worker's Python thread waits for its bell."""
    return runner._workers._control[FIRST_WORKER + worker * LINE] == 1


def test_workers_fall_asleep_and_a_sleeping_worker_is_woken(load_toy, exact_runner, toy_tokens):
    runner = load_toy(num_threads=2)
    for _ in range(3):
        logits, _ = run_whole(runner, toy_tokens)
        np.testing.assert_array_equal(logits, run_whole(exact_runner, toy_tokens)[0])
        while not is_asleep(runner, 1):
            time.sleep(0.001)


@pytest.mark.parametrize("thread", [ANNOUNCE, 0], ids=["announced", "done"])
@pytest.mark.parametrize("sleeps", [True, False])
def test_ctrl_c_at_any_point_of_a_step_leaves_nobody_waiting(
    load_toy, whole, toy_tokens, monkeypatch, thread, sleeps
):
    """Python raises it when a compiled call has returned, here that of who announces or who does the job."""
    runner, interrupts = load_toy(num_threads=3), [True]

    def interrupted(number, *rest):
        result = run(number, *rest)
        if number == thread and interrupts:
            interrupts.clear()
            raise KeyboardInterrupt
        return result

    run_whole(runner, toy_tokens)
    while sleeps and not (is_asleep(runner, 1) and is_asleep(runner, 2)):
        time.sleep(0.001)
    monkeypatch.setattr("flashstep.kernels.team.run", interrupted)
    with suppress(KeyboardInterrupt):
        run_whole(runner, toy_tokens)
    for _ in range(3):
        np.testing.assert_array_equal(run_whole(runner, toy_tokens)[0], whole[0])


def test_many_steps_in_a_row_keep_the_threads_in_step(load_toy, whole, toy_tokens):
    for _ in range(20):
        logits, _ = run_in_chunks(load_toy(num_threads=3), toy_tokens, [1] * 40)
        np.testing.assert_array_equal(logits, whole[0])


def test_warming_up_reports_its_progress():
    lines = []
    compile_all(lambda name, done, total: lines.append((name, done, total)), 2)
    assert [line[1:] for line in lines] == [(0, 2), (1, 2), (2, 2)]
    assert all(name for name, _, _ in lines)


def run_child(checkpoint, weight_format, token_ids, **environment):
    """Logits and cache hits of a fresh process."""
    return computed_elsewhere(CHILD, environment, str(checkpoint), weight_format, json.dumps(token_ids))


@pytest.mark.slow
@pytest.mark.parametrize("weight_format", ["float32", "int8"])
@pytest.mark.parametrize("cpu", RUNNABLE, ids=lambda cpu: cpu[0])
def test_another_kind_of_cpu_computes_the_same(
    toy_checkpoint, load_toy, toy_tokens, tmp_path, cpu, weight_format
):
    """Compiles everything for another CPU of this architecture, the plainest one among them."""
    exact, _ = run_whole(load_toy(), toy_tokens)
    here, _ = run_whole(load_toy(weight_format=weight_format), toy_tokens)
    environment = environment_of(cpu) | {"NUMBA_CACHE_DIR": str(tmp_path)}
    result = run_child(toy_checkpoint, weight_format, toy_tokens, **environment)
    errors = np.abs(np.array(result["logits"]) - exact)
    if weight_format == "float32":
        assert errors.max() < 1e-5
    else:  # beside bfloat16 keys CPUs differ in what else of attention they round: as near, not the same
        assert np.median(errors) < 1.2 * np.median(np.abs(here - exact))
    again = run_child(toy_checkpoint, weight_format, toy_tokens, **environment)
    assert (result["hits"], again["hits"]) == (0, 1)
    assert again["logits"] == result["logits"]
