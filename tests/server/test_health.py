"""`/health` and `/ready`: what probes see, and what they cost."""

import asyncio

import httpx
import pytest
from starlette.requests import Request

from flashstep.backends.base import EngineStats
from flashstep.errors import EngineDead, Overloaded
from flashstep.server.health import ReadyEndpoint
from flashstep.types import Finish, TextDelta
from server.running_server import PlayedModel, forever

ONE_TOKEN = (TextDelta("a"), Finish("length"))
PROBE = Request({"type": "http", "method": "GET", "path": "/ready", "headers": []})


def ready(model: PlayedModel, **options) -> ReadyEndpoint:
    return ReadyEndpoint(model, **{"timeout_s": 5.0, "fresh_s": 0.0, **options})


def played(script) -> PlayedModel:
    model = PlayedModel()
    model.script = script
    return model


def test_ready_computes_one_token(server):
    server.model.script = ONE_TOKEN
    answer = server.get("/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    [call] = server.model.calls
    assert call.params.max_tokens == 1
    assert call.params.is_greedy


def test_many_probes_share_one_token():
    async def probe() -> PlayedModel:
        model = played(ONE_TOKEN)
        endpoint = ready(model, fresh_s=60.0)
        answers = await asyncio.gather(*(endpoint.get(PROBE) for _ in range(50)))
        answers.append(await endpoint.get(PROBE))
        assert {answer.status_code for answer in answers} == {200}
        return model

    assert len(asyncio.run(probe()).calls) == 1


def test_a_verdict_grows_old():
    async def probe() -> int:
        model = played(ONE_TOKEN)
        endpoint = ready(model)
        for _ in range(3):
            await endpoint.get(PROBE)
        return len(model.calls)

    assert asyncio.run(probe()) == 3


def test_an_engine_that_computes_nothing_is_not_ready_and_the_probe_is_aborted():
    async def probe() -> None:
        model = played([forever])
        with pytest.raises(Overloaded, match="no token within 0.05 seconds"):
            await ready(model, timeout_s=0.05).get(PROBE)
        assert model.calls[0].aborted.is_set()

    asyncio.run(probe())


def test_an_engine_whose_places_are_taken_is_ready_while_it_computes_for_others():
    async def probe() -> None:
        model = played([forever])
        model.stats = lambda: EngineStats(num_steps=len(model.calls))
        endpoint = ready(model, fresh_s=60.0)
        answers = [await endpoint.get(PROBE) for _ in range(2)]
        assert {answer.status_code for answer in answers} == {200}
        [call] = model.calls
        assert call.aborted.is_set(), "it must not stay in the engine's queue"

    asyncio.run(probe())


def test_a_probe_that_leaves_does_not_spoil_the_check_for_others():
    async def probe() -> None:
        go_on = asyncio.Event()
        endpoint = ready(played([go_on.wait, *ONE_TOKEN]))
        leaving, staying = (asyncio.create_task(endpoint.get(PROBE)) for _ in range(2))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.sleep(0)
        go_on.set()
        assert (await staying).status_code == 200

    asyncio.run(probe())


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ([Overloaded("the queue is full")], Overloaded),
        ([EngineDead("gone")], EngineDead),
        ([Finish("error", error="out of memory")], EngineDead),
    ],
)
def test_trouble_of_the_engine_is_the_answer(script, error):
    with pytest.raises(error):
        asyncio.run(ready(played(script)).get(PROBE))


def test_a_draining_server_is_not_ready_though_it_lives():
    model = played(ONE_TOKEN)
    with pytest.raises(Overloaded, match="stopping"):
        asyncio.run(ready(model, is_draining=lambda: True).get(PROBE))
    assert not model.calls


def test_a_dead_engine_is_neither_ready_nor_alive(server):
    server.model.healthy = False
    for path in ("/health", "/ready"):
        answer = server.get(path)
        assert answer.status_code == 503
        assert answer.json()["error"]["type"] == "engine_dead"
    assert not server.model.calls


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_head_probes_get_the_status_without_a_body(server, path):
    server.model.script = ONE_TOKEN
    answer = httpx.head(server.url + path, timeout=20)
    assert (answer.status_code, answer.content) == (200, b"")


def test_an_engine_that_is_started_again_is_alive_and_not_ready(server):
    server.model.healthy, server.model.is_restarting = False, True
    assert server.get("/health").status_code == 200
    answer = server.get("/ready")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "overloaded")
    assert int(answer.headers["Retry-After"]) > 0
