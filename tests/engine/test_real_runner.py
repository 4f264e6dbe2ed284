"""The engine on the compiled runner with the toy checkpoint in float32, where it counts."""

import gc
import weakref

import pytest
from driving import drain, prompt, request

from flashstep.engine.engine import Engine
from flashstep.engine.runner import Runner

SIZES = dict(num_threads=1, block_size=4, num_full_blocks=200, num_sliding_blocks=100, max_sequences=8)


@pytest.fixture(scope="module")
def load(toy_checkpoint):
    """Makes runners of the toy checkpoint; all are closed at the end."""
    opened = []

    def make(**sizes) -> Runner:
        wishes = {"max_batch_tokens": 64, **SIZES, **sizes}
        opened.append(Runner.load(toy_checkpoint, weight_format="float32", **wishes))
        return opened[-1]

    yield make
    for runner in opened:
        runner.close()


def answers(runner, requests, num_draft_tokens):
    engine = Engine(runner, num_draft_tokens=num_draft_tokens)
    for r in requests:
        engine.add(r)
    return drain(engine), engine.metrics


def some_requests():
    lengths = (1, 3, 17, 40, 90, 8, 64, 65)
    return [
        request(f"r{i}", prompt(n, i), temperature=0.8 * (i % 2), seed=i, max_tokens=24)
        for i, n in enumerate(lengths)
    ]


@pytest.fixture(scope="module")
def reference(load):
    """Each request alone, whole prompt, no drafts."""
    runner = load(max_batch_tokens=128)
    found = {}
    for r in some_requests():
        found |= answers(runner, [r], 0)[0]
    return found


@pytest.mark.parametrize("num_draft_tokens", [0, 1, 3])
def test_a_batch_in_chunks_with_and_without_drafts_equals_one_by_one(load, reference, num_draft_tokens):
    found, _ = answers(load(), some_requests(), num_draft_tokens)
    assert found == reference


def test_preemption_in_small_pools_changes_no_answer(load, reference):
    runner = load(num_full_blocks=30, num_sliding_blocks=30)
    found, metrics = answers(runner, some_requests(), 3)
    assert found == reference
    assert metrics.num_preemptions > 0


def test_two_threads_give_the_same_answers(load, reference):
    found, _ = answers(load(num_threads=2), some_requests(), 3)
    assert found == reference


@pytest.mark.parametrize("num_threads", [1, 2])
def test_a_closed_engine_that_is_still_held_holds_no_weights_pools_or_buffers(toy_checkpoint, num_threads):
    """As one that died is held until the one in its place stands, which needs the memory."""
    sizes = {**SIZES, "num_threads": num_threads, "max_batch_tokens": 64}
    engine = Engine(Runner.load(toy_checkpoint, weight_format="float32", **sizes), num_draft_tokens=3)
    engine.add(request(prompt=prompt(40)))
    for _ in range(3):
        engine.step()
    arrays = [weakref.ref(array) for group in engine._runner._workers._arrays[1:] for array in group]
    assert len(arrays) > 30
    engine.close()
    gc.collect()
    assert [ref() for ref in arrays if ref() is not None] == []
    with pytest.raises(ValueError, match="closed; load the model again"):
        engine.step()
    engine.close()
