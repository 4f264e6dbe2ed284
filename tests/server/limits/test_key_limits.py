"""Limits of keys as clients meet them: 429 with the limit's name, when to come again, what is left."""

import json
import threading

import openai
import pytest

from flashstep.server.keys.api_key import KeyLimits
from flashstep.types import Finish, TextDelta, Usage
from server.limits.keyed import serving_keys
from server.running_server import ask

LIMITS = {
    "two": KeyLimits(requests_per_minute=2),
    "tokens": KeyLimits(tokens_per_minute=100),
    "single": KeyLimits(concurrency=1),
    "free": KeyLimits(),
}


@pytest.fixture
def keyed(tmp_path):
    with serving_keys(tmp_path, LIMITS) as running:
        yield running


def post(keyed, name, **fields):
    return keyed.server.post(ask(**fields), headers=keyed.headers[name])


def test_a_request_over_the_limit_is_429_with_all_that_a_client_needs(keyed):
    assert [post(keyed, "two").status_code for _ in range(2)] == [200, 200]
    refused = post(keyed, "two")
    assert refused.status_code == 429
    error = refused.json()["error"]
    assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
    assert "'two' has reached its limit of 2 requests a minute" in error["message"]
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    assert 0 < int(refused.headers["retry-after-ms"]) <= 30_000
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert error["trace_id"] == refused.headers["x-trace-id"]
    assert post(keyed, "free").status_code == 200, "one key's limit is nobody else's"


def test_the_openai_client_sees_a_rate_limit_error(keyed):
    client = keyed.server.openai(keyed.headers["two"]["Authorization"].removeprefix("Bearer "))
    for _ in range(2):
        client.chat.completions.create(**ask())
    with pytest.raises(openai.RateLimitError, match="2 requests a minute"):
        client.chat.completions.create(**ask())


def test_the_messages_api_refuses_in_its_own_form(keyed):
    body = {"model": "step-3.5-flash", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
    answers = [keyed.server.post(body, "/v1/messages", headers=keyed.headers["two"]) for _ in range(3)]
    assert answers[0].headers["x-ratelimit-limit-requests"] == "2"
    assert answers[2].status_code == 429
    assert answers[2].json()["error"]["type"] == "rate_limit_error"


def test_looking_is_free_and_tells_what_is_left(keyed):
    for _ in range(5):
        looked = keyed.server.get("/v1/models", headers=keyed.headers["two"])
    assert looked.status_code == 200
    assert looked.headers["x-ratelimit-remaining-requests"] == "2"


def test_a_malformed_request_counts_and_tells_what_is_left(keyed):
    refused = keyed.server.post(content=b"{", headers=keyed.headers["two"])
    assert refused.status_code == 400
    assert refused.headers["x-ratelimit-remaining-requests"] == "1"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_tokens_are_counted_as_they_were_used(keyed, stream):
    keyed.server.model.script = [
        TextDelta("x"),
        Finish("stop", Usage(prompt_tokens=20, completion_tokens=70)),
    ]
    first = post(keyed, "tokens", stream=stream)
    assert first.headers["x-ratelimit-limit-tokens"] == "100"
    left = int(first.headers["x-ratelimit-remaining-tokens"])
    assert left >= 90 if stream else left <= 15, "a stream's headers go out with the estimate"
    long = [{"role": "user", "content": "word " * 50}]
    refused = post(keyed, "tokens", stream=stream, messages=long)
    assert refused.status_code == 429
    assert "limit of 100 tokens a minute" in refused.json()["error"]["message"]
    assert int(refused.headers["x-ratelimit-remaining-tokens"]) < 20


def test_tokens_of_several_answers_count_with_one_prompt(keyed):
    keyed.server.model.script = [
        TextDelta("x"),
        Finish("stop", Usage(prompt_tokens=30, completion_tokens=10)),
    ]
    post(keyed, "tokens", n=3)
    left = int(
        keyed.server.get("/v1/models", headers=keyed.headers["tokens"]).headers[
            "x-ratelimit-remaining-tokens"
        ]
    )
    assert 38 <= left <= 45  # 100 - 30 - 3 * 10, and what flowed in


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_several_prompts_are_reserved_together_and_run_or_are_refused_together(keyed, stream):
    usage = Usage(prompt_tokens=10, completion_tokens=5)
    keyed.server.model.script = [TextDelta("x"), Finish("stop", usage)]
    body = {"model": "step-3.5-flash", "prompt": ["word " * 40] * 3, "stream": stream}  # about 3 * 51 of 100
    headers = keyed.headers["tokens"]
    answered = keyed.server.post(body, "/v1/completions", headers=headers)
    assert answered.status_code == 200, "bigger than the allowance, which was full"
    assert len(keyed.server.model.calls) == 3
    refused = keyed.server.post(body, "/v1/completions", headers=headers)
    assert refused.status_code == 429
    assert "about 153 fit" in refused.json()["error"]["message"]
    assert len(keyed.server.model.calls) == 3, "none of the prompts was begun"
    left = int(refused.headers["x-ratelimit-remaining-tokens"])
    assert 55 <= left <= 60, "three times 15 are paid for, and for the refused call nothing"


def test_a_second_call_at_the_same_time_is_refused_until_the_first_has_ended(keyed):
    released = threading.Event()

    async def hold():
        import asyncio

        while not released.is_set():
            await asyncio.sleep(0.005)

    keyed.server.model.script = [TextDelta("x"), hold, Finish("stop")]
    first = []
    thread = threading.Thread(target=lambda: first.append(post(keyed, "single")))
    thread.start()
    assert keyed.server.model.arrived.acquire(timeout=10)
    refused = post(keyed, "single")
    released.set()
    thread.join()
    assert refused.status_code == 429
    assert "its limit is 1 at the same time" in refused.json()["error"]["message"]
    assert first[0].status_code == 200
    assert post(keyed, "single").status_code == 200


def test_errors_that_no_retry_mends_say_so(keyed):
    unknown = post(keyed, "free", model="gpt-4")
    assert unknown.status_code == 404
    assert unknown.headers["x-should-retry"] == "false"


def test_a_limit_in_a_stream_is_a_status_and_no_stream(keyed):
    for _ in range(2):
        post(keyed, "two", stream=True)
    refused = post(keyed, "two", stream=True)
    assert refused.status_code == 429
    assert json.loads(refused.text)["error"]["code"] == "rate_limit_exceeded"
