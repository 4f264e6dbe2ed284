"""A backend that dies is replaced, and nobody who asked is left without an answer."""

import asyncio
import threading

import pytest

from flashstep.backends.embedded import EmbeddedBackend
from flashstep.backends.supervised import SupervisedBackend
from flashstep.engine.async_engine import AsyncEngine
from flashstep.engine.engine import Engine
from flashstep.errors import ConfigError, EngineDead, Overloaded
from flashstep.types import Request, SamplingParams
from naive.runner import FakeRunner


class MortalRunner(FakeRunner):
    """A runner whose next pass fails once it has been told to die."""

    dies = False

    def forward(self, batch):
        if self.dies:
            raise FloatingPointError("the model's best logit is nan")
        return super().forward(batch)


class Maker:
    """Makes embedded backends and remembers their runners; waits for `gate` before each."""

    def __init__(self, config):
        self.config, self.runners, self.gate = config, [], threading.Event()
        self.failure = None
        self.gate.set()

    def __call__(self):
        self.gate.wait()
        if self.failure:
            raise self.failure
        runner = MortalRunner(self.config)
        self.runners.append(runner)
        return EmbeddedBackend(AsyncEngine(Engine(runner), max_live=4), model_name="toy")


def outputs_of(backend, request_id, max_tokens=8, before_next=lambda: None):
    request = Request(request_id, "t", (5, 6, 7), SamplingParams(temperature=0, max_tokens=max_tokens))

    async def collect():
        got = []
        async for output in backend.generate(request):
            got.append(output)
            before_next()
        return got

    return asyncio.run(collect())


def tokens_of(outputs):
    return [token_id for output in outputs for token_id in output.token_ids]


def wait_until_healthy(backend):
    while not backend.is_healthy():
        threading.Event().wait(0.001)


def test_after_a_death_open_requests_get_an_error_and_later_ones_an_answer(toy_config):
    make = Maker(toy_config)
    backend = SupervisedBackend(make)
    before = outputs_of(backend, "a")
    make.gate.clear()

    def kill():
        make.runners[0].dies = True

    broken = outputs_of(backend, "b", max_tokens=700, before_next=kill)
    assert broken[-1].finish_reason == "error"
    assert "best logit is nan" in broken[-1].error
    assert not backend.is_healthy()
    assert backend.is_restarting
    with pytest.raises(Overloaded, match="started again"):
        outputs_of(backend, "c")
    make.gate.set()
    wait_until_healthy(backend)
    assert not backend.is_restarting
    after = outputs_of(backend, "d")
    assert tokens_of(after) == tokens_of(before)
    assert (backend.num_restarts, len(make.runners)) == (1, 2)
    backend.close()


def test_one_that_dies_too_often_is_given_up(toy_config):
    make = Maker(toy_config)
    backend = SupervisedBackend(make, max_restarts=2)
    for death in range(3):
        make.runners[-1].dies = True
        assert outputs_of(backend, f"r{death}")[-1].finish_reason == "error"
        if death < 2:
            wait_until_healthy(backend)
    assert not backend.is_healthy()
    with pytest.raises(EngineDead, match="died 3 times"):
        outputs_of(backend, "late")
    assert len(make.runners) == 3
    backend.close()


def test_one_that_cannot_be_started_again_is_given_up_with_the_reason(toy_config):
    make = Maker(toy_config)
    backend = SupervisedBackend(make)
    make.runners[0].dies, make.failure = True, ConfigError("the weights are gone")
    assert outputs_of(backend, "a")[-1].finish_reason == "error"
    assert not backend.is_healthy()
    backend._restarter and backend._restarter.join()
    with pytest.raises(EngineDead, match="the weights are gone"):
        outputs_of(backend, "b")
    backend.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_that_nobody_expected_ends_the_restart_too(toy_config):
    make = Maker(toy_config)
    backend = SupervisedBackend(make)
    make.runners[0].dies, make.failure = True, TypeError("a defect")
    assert outputs_of(backend, "a")[-1].finish_reason == "error"
    assert not backend.is_healthy()
    backend._restarter and backend._restarter.join()
    with pytest.raises(EngineDead, match="an unexpected error"):
        outputs_of(backend, "b")
    backend.close()


def test_closing_starts_nothing(toy_config):
    make = Maker(toy_config)
    backend = SupervisedBackend(make)
    backend.close()
    assert not backend.is_healthy()
    with pytest.raises(EngineDead, match="closed"):
        outputs_of(backend, "a")
    assert len(make.runners) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_backend_that_cannot_even_be_closed_is_given_up_and_no_restart_goes_on_for_ever(toy_config):
    make = Maker(toy_config)
    backend = SupervisedBackend(make)
    close = backend._inner.close

    def fail():
        close()
        raise RuntimeError("CUDA error: the device is lost")

    backend._inner.close = fail
    make.runners[0].dies = True
    assert outputs_of(backend, "a")[-1].finish_reason == "error"
    assert not backend.is_healthy()
    backend._restarter and backend._restarter.join()
    with pytest.raises(EngineDead, match="could not be started again"):
        outputs_of(backend, "b")
    backend._inner.close = close
    backend.close()
