"""Buckets and meters on a clock of their own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashstep.errors import RateLimited
from flashstep.server.keys.api_key import ApiKey, KeyLimits
from flashstep.server.limits.bucket import Bucket
from flashstep.server.limits.meter import Meter, Meters


class Clock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


def key(name="ci", **limits):
    return ApiKey(name=name, sha256="0" * 64, limits=KeyLimits(**limits))


def test_a_bucket_is_full_at_first_and_refills_evenly(clock):
    bucket = Bucket(60, clock)
    bucket.take(60)
    assert bucket.remaining == 0
    assert bucket.wait_s(1) == pytest.approx(1.0)
    clock.now_s += 10
    assert bucket.remaining == 10
    assert bucket.wait_s(10) == 0
    assert bucket.reset_s == pytest.approx(50)
    clock.now_s += 1000
    assert (bucket.remaining, bucket.reset_s) == (60, 0)


def test_what_cost_more_than_foreseen_must_be_waited_for(clock):
    bucket = Bucket(60, clock)
    bucket.take(90)
    assert bucket.remaining == 0
    assert bucket.wait_s(1) == pytest.approx(31)


def test_more_than_a_bucket_holds_goes_through_when_it_is_full(clock):
    bucket = Bucket(60, clock)
    assert bucket.wait_s(1000) == 0
    bucket.take(1)
    assert bucket.wait_s(1000) == pytest.approx(1)


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 20)), max_size=60))
def test_no_stretch_of_time_lets_more_through_than_the_bucket_and_what_flowed_in(steps):
    clock = Clock()
    bucket = Bucket(20, clock)
    taken = []
    for pause_s, amount in steps:
        clock.now_s += pause_s
        if bucket.wait_s(amount) == 0:
            bucket.take(amount)
            taken.append((clock.now_s, amount))
    for i, (begin_s, _) in enumerate(taken):
        total = 0
        for now_s, amount in taken[i:]:
            total += amount
            assert total <= 20 + (now_s - begin_s) * 20 / 60 + 1e-6


def test_requests_over_the_limit_name_it_and_say_when(clock):
    meter = Meter(key(requests_per_minute=2), clock)
    meter.begin_call()
    meter.begin_call()
    with pytest.raises(
        RateLimited, match="limit of 2 requests a minute, with 0 left; the next one fits in 30s"
    ) as e:
        meter.begin_call()
    assert (e.value.limit, e.value.retry_after_s) == ("requests", pytest.approx(30))
    clock.now_s += 30
    meter.begin_call()


def test_a_refused_call_costs_nothing(clock):
    meter = Meter(key(requests_per_minute=5, concurrency=1), clock)
    meter.begin_call()
    for _ in range(10):
        with pytest.raises(RateLimited, match="has 1 calls open, and its limit is 1"):
            meter.begin_call()
    assert meter.headers()["x-ratelimit-remaining-requests"] == "4"
    meter.end_call()
    meter.begin_call()


def test_tokens_are_reserved_and_settled(clock):
    meter = Meter(key(tokens_per_minute=100), clock)
    meter.reserve_tokens(40)
    assert meter.headers()["x-ratelimit-remaining-tokens"] == "60"
    meter.settle_tokens(40, 90)
    with pytest.raises(RateLimited, match="limit of 100 tokens a minute, with 10 left; about 20 fit in 6s"):
        meter.reserve_tokens(20)
    clock.now_s += 6
    meter.reserve_tokens(20)


def test_headers_are_those_of_openai_and_only_for_limits_that_there_are(clock):
    assert not Meter(key(concurrency=3), clock).headers()
    meter = Meter(key(requests_per_minute=600, tokens_per_minute=60), clock)
    meter.begin_call()
    meter.reserve_tokens(60)
    meter.settle_tokens(60, 150)
    assert meter.headers() == {
        "x-ratelimit-limit-requests": "600",
        "x-ratelimit-remaining-requests": "599",
        "x-ratelimit-reset-requests": "100ms",
        "x-ratelimit-limit-tokens": "60",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "2m30s",
    }


def test_meters_are_kept_for_keys_with_limits_alone_and_begin_anew_when_these_change(clock):
    meters = Meters(clock)
    assert meters.of(None) is None
    assert meters.of(key()) is None
    first = meters.of(key(concurrency=1))
    assert meters.of(key(concurrency=1)) is first
    assert meters.of(key("other", concurrency=1)) is not first
    first.begin_call()
    meters.of(key(concurrency=2)).begin_call()
    first.end_call()
