"""The engine in its thread: streams, aborts, limits, death."""

import asyncio
import contextlib
import threading
from dataclasses import replace

import pytest
from driving import expected, make_engine, mixed_requests, prompt, request

from flashstep.engine.async_engine import AsyncEngine
from flashstep.engine.engine import Engine
from flashstep.errors import ContextLengthExceeded, EngineDead, Overloaded
from flashstep.types import TokenOutput
from naive.runner import FakeRunner


class Gate(FakeRunner):
    """A runner that computes a step only when it is let through, and can be told to fail."""

    def __init__(self, config):
        super().__init__(config)
        self.steps = threading.Semaphore(0)
        self.started = threading.Event()
        self.is_broken = False

    def forward(self, batch):
        self.started.set()
        self.steps.acquire()
        if self.is_broken:
            raise RuntimeError("the cache is on fire")
        return super().forward(batch)


@contextlib.contextmanager
def opened(engine, max_live=100):
    """An AsyncEngine, closed at the end."""
    async_engine = AsyncEngine(engine, max_live=max_live)
    try:
        yield async_engine
    finally:
        async_engine.close()


async def collect(stream):
    """(token ids, reason, error) of a whole stream."""
    outputs = [output async for output in stream]
    assert all(output.finish_reason is None for output in outputs[:-1])
    token_ids = [token_id for output in outputs for token_id in output.token_ids]
    return token_ids, outputs[-1].finish_reason, outputs[-1].error


async def eventually(condition):
    """Wait until the engine thread has done something that is visible from outside."""
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never happened")


def test_streams_of_many_tasks_equal_naive_generation(toy_config):
    requests = mixed_requests(12)

    async def main():
        return await asyncio.gather(*(collect(async_engine.submit(r)) for r in requests))

    with opened(make_engine(toy_config, num_draft_tokens=3, acceptance=0.7)) as async_engine:
        answers = asyncio.run(main())
    found = {r.request_id: answer[:2] for r, answer in zip(requests, answers, strict=True)}
    assert found == expected(requests)


def test_one_engine_serves_event_loops_one_after_the_other_and_at_once(toy_config):
    with opened(make_engine(toy_config)) as async_engine:

        async def ask(name):
            return await collect(async_engine.submit(request(name)))

        first = asyncio.run(ask("a"))
        found = []
        threads = [
            threading.Thread(target=lambda n=n: found.append(asyncio.run(ask(f"b{n}")))) for n in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [first] * 3


def test_closing_a_stream_frees_its_blocks_during_the_answer(toy_config):
    runner = Gate(toy_config)
    engine = Engine(runner)

    async def main():
        stream = async_engine.submit(request(prompt=prompt(100), max_tokens=1000, eos=frozenset()))
        runner.steps.release(5)
        await anext(stream)
        await stream.aclose()
        await stream.aclose()
        runner.steps.release(1000)
        await eventually(lambda: engine.num_live == 0)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)

    with opened(engine) as async_engine:
        asyncio.run(main())
        engine.check()
    assert engine.metrics.num_generated_tokens < 1000


def test_cancelling_the_waiting_task_aborts_the_request(toy_config):
    runner = Gate(toy_config)
    engine = Engine(runner)

    async def main():
        task = asyncio.create_task(collect(async_engine.submit(request(prompt=prompt(200)))))
        await eventually(runner.started.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        runner.steps.release(100)
        await eventually(lambda: engine.num_live == 0)

    with opened(engine) as async_engine:
        asyncio.run(main())
    assert engine.metrics.num_generated_tokens == 0


def test_a_request_whose_event_loop_is_gone_is_aborted(toy_config):
    runner = Gate(toy_config)
    engine = Engine(runner)

    async def leave():
        async_engine.submit(request(max_tokens=5000, eos=frozenset()))
        await eventually(runner.started.is_set)

    with opened(engine) as async_engine:
        asyncio.run(leave())
        runner.steps.release(100)
        asyncio.run(eventually(lambda: engine.num_live == 0))


def test_a_full_queue_refuses_and_has_room_again_later(toy_config):
    runner = Gate(toy_config)

    async def main():
        streams = [async_engine.submit(request(f"r{i}")) for i in range(3)]
        with pytest.raises(Overloaded, match="3 requests") as refusal:
            async_engine.submit(request("late"))
        assert refusal.value.retry_after_s > 0
        runner.steps.release(1000)
        for stream in streams:
            assert (await collect(stream))[1] in ("stop", "length")
        assert (await collect(async_engine.submit(request("late"))))[1] in ("stop", "length")

    with opened(Engine(runner), max_live=3) as async_engine:
        asyncio.run(main())


def test_the_death_of_the_thread_ends_every_request_with_an_error(toy_config, caplog):
    runner = Gate(toy_config)

    async def main():
        running = [async_engine.submit(request(f"r{i}", prompt(70))) for i in range(2)]
        await eventually(runner.started.is_set)
        queued = async_engine.submit(request("queued"))
        runner.is_broken = True
        runner.steps.release(1)
        for stream in [*running, queued]:
            assert await collect(stream) == ([], "error", "RuntimeError: the cache is on fire")
        assert not async_engine.is_alive
        with pytest.raises(EngineDead, match="the cache is on fire"):
            async_engine.submit(request("late"))

    with opened(Engine(runner)) as async_engine:
        assert async_engine.is_alive
        asyncio.run(main())
    assert "trace-r0" in caplog.text
    assert "the cache is on fire" in caplog.text


def test_closing_the_engine_aborts_what_is_open_and_closes_the_runner(toy_config):
    runner = Gate(toy_config)
    async_engine = AsyncEngine(Engine(runner), max_live=10)

    async def main():
        stream = async_engine.submit(request(max_tokens=5000, eos=frozenset()))
        await eventually(runner.started.is_set)
        runner.steps.release(1000)
        await asyncio.to_thread(async_engine.close)
        assert (await collect(stream))[1] == "abort"
        with pytest.raises(EngineDead, match="closed"):
            async_engine.submit(request("late"))

    asyncio.run(main())
    async_engine.close()
    assert runner.is_closed
    assert not async_engine.is_alive


def test_what_can_never_be_served_is_refused_by_submit_itself(toy_config):
    async def main():
        with pytest.raises(ContextLengthExceeded):
            async_engine.submit(request(prompt=prompt(800)))

    with opened(make_engine(toy_config)) as async_engine:
        asyncio.run(main())
        assert async_engine.context_length == 800


def test_leaving_a_request_refused_for_its_id_leaves_the_first_one_alone(toy_config):
    async def main():
        first, second = async_engine.submit(request(max_tokens=3)), async_engine.submit(request())
        await second.aclose()
        assert (await collect(first))[1] == "length"

    with opened(make_engine(toy_config)) as async_engine:
        asyncio.run(main())


def test_a_request_id_that_is_in_use_ends_only_the_second_request(toy_config):
    runner = Gate(toy_config)

    async def main():
        first, second = async_engine.submit(request()), async_engine.submit(request())
        runner.steps.release(1000)
        assert (await collect(second))[1:] == ("error", "request id 'a' is already in use; choose another")
        assert (await collect(first))[:2] == expected([request()])["a"]

    with opened(Engine(runner)) as async_engine:
        asyncio.run(main())


class Forgetful(Engine):
    """Loses the finish reason of every last output, as a mistake in the engine could."""

    def step(self):
        return [(request_id, replace(output, finish_reason=None)) for request_id, output in super().step()]


class Stranger(Engine):
    """In one step, ends a request and then speaks of one that nobody asked for."""

    def step(self):
        outputs = super().step()
        if any(output.finish_reason is not None for _, output in outputs):
            outputs.append(("stranger", TokenOutput((1,))))
        return outputs


@pytest.mark.parametrize("kind", [Forgetful, Stranger])
def test_a_mistake_about_outputs_ends_every_open_request_with_an_error(toy_config, kind):
    async def main():
        requests = [request("short", max_tokens=1), request("long", max_tokens=500, eos=frozenset())]
        streams = [async_engine.submit(r) for r in requests]
        for stream in streams:
            assert (await asyncio.wait_for(collect(stream), 20))[1] == "error"
        assert not async_engine.is_alive

    with opened(kind(FakeRunner(toy_config))) as async_engine:
        asyncio.run(main())
