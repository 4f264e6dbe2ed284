"""Tokens that a call takes for several generations at once: from a full allowance, and back to it."""

import asyncio
import functools

import pytest

from flashstep.errors import Overloaded, RateLimited
from flashstep.server.call import Call
from flashstep.server.generation import Generation
from flashstep.server.keys.api_key import ApiKey, KeyLimits
from flashstep.server.limits.admission import Consumption, Reservation
from flashstep.server.limits.drain import Drain
from flashstep.server.limits.meter import Meter
from flashstep.types import Finish, SamplingParams, Usage

PROMPTS = [
    Generation(endpoint="completions", model="m", params=SamplingParams(), prompt=(1,) * 40) for _ in range(3)
]


@pytest.fixture
def meter():
    limits = KeyLimits(tokens_per_minute=100)
    return Meter(ApiKey(name="a", sha256="0" * 64, limits=limits), lambda: 0.0)


@pytest.fixture
def call():
    return Call(trace_id="t", method="POST", path="/v1/completions")


def in_a_loop(test):
    """A test that is a coroutine, run."""

    @functools.wraps(test)
    def run(meter, call):
        asyncio.run(test(meter, call))

    return run


def used(generation, num_prompt, num_answer):
    consumption = Consumption(generation)
    consumption.has_run = True
    consumption.event(0, Finish("stop", Usage(prompt_tokens=num_prompt, completion_tokens=num_answer)))
    return consumption


def left(meter):
    return int(meter.headers()["x-ratelimit-remaining-tokens"])


@in_a_loop
async def test_each_generation_pays_from_what_was_reserved_and_the_rest_is_given_back(meter, call):
    async with Reservation(Drain(), meter, call, PROMPTS[:2]) as reservation:
        assert left(meter) == 20
        reservation.pay(used(PROMPTS[0], 15, 10))
        assert left(meter) == 20, "80 are reserved, 25 of them are used"
        reservation.pay(used(PROMPTS[1], 15, 5))
    assert left(meter) == 100 - 25 - 20
    assert call.response_headers["x-ratelimit-remaining-tokens"] == "55"


@in_a_loop
async def test_what_is_used_beyond_the_reservation_is_paid_too(meter, call):
    async with Reservation(Drain(), meter, call, PROMPTS[:1]) as reservation:
        reservation.pay(used(PROMPTS[0], 40, 30))
        assert left(meter) == 30
    assert left(meter) == 30


@in_a_loop
async def test_what_never_ran_costs_nothing_and_what_was_broken_off_its_prompt(meter, call):
    async with Reservation(Drain(), meter, call, PROMPTS[:2]) as reservation:
        begun = Consumption(PROMPTS[0])
        begun.has_run = True
        reservation.pay(begun)
        reservation.pay(Consumption(PROMPTS[1]))
    assert left(meter) == 60


@in_a_loop
async def test_more_than_an_allowance_is_taken_from_a_full_one_alone(meter, call):
    meter.reserve_tokens(1)
    with pytest.raises(RateLimited, match="about 120 fit"):
        async with Reservation(Drain(), meter, call, PROMPTS):
            pytest.fail("nothing runs")
    assert left(meter) == 99
    meter.settle_tokens(1, 0)
    async with Reservation(Drain(), meter, call, PROMPTS):
        assert left(meter) == 0
    assert left(meter) == 100


@in_a_loop
async def test_a_held_call_runs_and_what_is_refused_does_not(meter, call):
    drain = Drain()
    async with Reservation(drain, meter, call, PROMPTS[:2]):
        assert not drain.is_idle
        with pytest.raises(RateLimited):
            async with Reservation(drain, meter, call, PROMPTS[:2]):
                pytest.fail("nothing runs")
        drain.begin()
        with pytest.raises(Overloaded):
            async with Reservation(drain, None, call, PROMPTS[:1]):
                pytest.fail("nothing new runs")
    assert drain.is_idle
    assert left(meter) == 100
