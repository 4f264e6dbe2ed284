"""Whatever tokens a model puts out, every cut of them is the same answer, and each endpoint can write it."""

import json
import random
from itertools import count

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flashstep.chat.fold import fold, merge
from flashstep.chat.response_decoder import ResponseDecoder
from flashstep.server.settings import ServerSettings
from flashstep.types import TokenLogprob, Tool
from server.fuzz.bodies import ANY_JSON, WEATHER_SCHEMA
from server.running_server import serving
from server.scripted_model import scripted, small_tokenizer

QUICK = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
DEEP = settings(QUICK, max_examples=800)
TOKENIZER = small_tokenizer()
PIECES = (
    "</think>", "<think>", "<tool_call>", "</tool_call>", "<function=get_weather>", "<function=patch>",
    "</function>", "<parameter=city>", "<parameter=days>", "<parameter=tags>", "<parameter=where>",
    "<parameter=input>", "</parameter>", "\n", "Oslo", "2", "null", '["a"]', '{"lat": 1}', "{" * 300, "é🎉",
    "END", "<tool_response>", "<|im_end|>", "<|im_start|>", "[" * 5000,
    "<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n</function>\n</tool_call>",
    "<tool_call>\n<function=patch>\n<parameter=input>\n*** free\n</parameter>\n</function>\n</tool_call>",
)  # fmt: skip
IDS = st.one_of(
    st.sampled_from([tuple(TOKENIZER.encode(piece)) for piece in PIECES]),
    st.lists(st.integers(0, TOKENIZER.vocab_size + 20), max_size=6).map(tuple),
)
ANSWERS = st.lists(IDS, max_size=12).map(lambda parts: [token_id for part in parts for token_id in part])
STOPS = st.lists(st.sampled_from(("END", "\n\n", "o", "</", "<tool_call>")), max_size=2)
SCHEMAS = st.one_of(
    st.just(WEATHER_SCHEMA),
    st.dictionaries(st.sampled_from(("city", "days", "tags", "where")), ANY_JSON, max_size=4).map(
        lambda properties: {"type": "object", "properties": properties}
    ),
    st.dictionaries(st.sampled_from(("properties", "type", "$defs", "anyOf")), ANY_JSON, max_size=3),
)


def decoded(token_ids, cuts, *, reason, schema, stop, max_calls, has_scores):
    """All events of an answer that comes in the pieces between `cuts`, and the reason of its end."""
    numbers = count()
    decoder = ResponseDecoder(
        TOKENIZER,
        tools=[Tool("get_weather", "", schema, {}), Tool("patch", "", {}, {})],
        stop=stop,
        new_id=lambda: f"call_{next(numbers)}",
        max_calls=max_calls,
    )
    events = []
    for start, end in zip([0, *cuts], [*cuts, len(token_ids)], strict=True):
        ids = token_ids[start:end]
        scores = [TokenLogprob(i, -1.0, ((i, -1.0),)) for i in ids] if has_scores else ()
        events += decoder.feed(ids, scores)
        if decoder.stopped:
            break
    rest, reason = decoder.finish(reason)
    return merge([*events, *rest]), reason, decoder.reasoning_tokens


def check(token_ids, seed, **how):
    """Whole, token by token and in random pieces it is the same."""
    whole = decoded(token_ids, [], **how)
    rng = random.Random(seed)
    some = sorted(rng.choices(range(len(token_ids) + 1), k=3))
    for cuts in (range(1, len(token_ids)), some):
        events, reason, reasoning_tokens = decoded(token_ids, list(cuts), **how)
        assert fold(events) == fold(whole[0])
        assert (reason, reasoning_tokens) == whole[1:]
    json.dumps([call.arguments for call in fold(whole[0]).tool_calls], allow_nan=False)


HOW = {
    "token_ids": ANSWERS,
    "seed": st.integers(0, 1000),
    "reason": st.sampled_from(("stop", "length", "abort", "error")),
    "schema": SCHEMAS,
    "stop": STOPS,
    "max_calls": st.sampled_from((None, 1, 2)),
    "has_scores": st.booleans(),
}


@QUICK
@given(**HOW)
def test_every_cut_of_any_tokens_is_the_same_answer(**how):
    check(**how)


@pytest.mark.slow
@DEEP
@given(**HOW)
def test_every_cut_of_thousands_of_answers_is_the_same_answer(**how):
    check(**how)


class Played:
    """A server whose model answers the tokens that it is given."""

    def __init__(self, url, client):
        self.url, self.client, self.token_ids = url, client, []


@pytest.fixture(scope="module")
def played():
    model, backend = scripted("", tokens_per_output=3)
    with serving(model, ServerSettings()) as server, httpx.Client(base_url=server.url, timeout=20) as client:
        player = Played(server.url, client)
        backend._answers = lambda prompt: player.token_ids
        yield player


FUNCTION = {"name": "get_weather", "parameters": WEATHER_SCHEMA}
ASKED = {"model": "step-3.5-flash"}
LIMIT = {"max_tokens": 400}
USER = [{"role": "user", "content": "hi"}]
ENDPOINTS = {
    "/v1/chat/completions": {
        **LIMIT, "messages": USER, "logprobs": True, "top_logprobs": 1,
        "tools": [{"type": "function", "function": FUNCTION}],
    },
    "/v1/messages": {
        **LIMIT, "messages": USER,
        "tools": [
            {"name": "get_weather", "input_schema": WEATHER_SCHEMA},
            {"name": "patch", "input_schema": {}},
        ],
    },
    "/v1/responses": {
        "max_output_tokens": 400, "input": "hi",
        "tools": [{"type": "function", **FUNCTION}, {"type": "custom", "name": "patch"}],
    },
    "/v1/completions": {**LIMIT, "prompt": "hi", "echo": True, "logprobs": 1},
}  # fmt: skip


@pytest.mark.parametrize("path", ENDPOINTS)
@settings(QUICK, max_examples=25)
@given(token_ids=ANSWERS.filter(bool), is_stepfun=st.booleans())
def test_any_tokens_can_be_written_by_each_endpoint(played, path, token_ids, is_stepfun):
    played.token_ids = token_ids
    headers = {"X-Flashstep-Wire": "stepfun"} if is_stepfun else {}
    body = ASKED | ENDPOINTS[path]
    whole = played.client.post(path, json=body, headers=headers)
    assert whole.status_code == 200, whole.text
    whole.json()
    streamed = played.client.post(path, json=body | {"stream": True}, headers=headers)
    assert streamed.status_code == 200
    frames = [line[6:] for line in streamed.text.split("\n") if line.startswith("data: ")]
    events = [json.loads(frame) for frame in frames if frame != "[DONE]"]
    assert events
    assert not [event for event in events if event.get("error")]
    assert is_over(path, frames, events)


def is_over(path, frames, events):
    """True when the stream ended in its form's own way, once."""
    kinds = [event.get("type") for event in events]
    match path:
        case "/v1/messages":
            return kinds.count("message_stop") == 1 and kinds[-1] == "message_stop"
        case "/v1/responses":
            ends = [kind for kind in kinds if kind in ("response.completed", "response.incomplete")]
            return ends == kinds[-1:]
    reasons = [choice.get("finish_reason") for event in events for choice in event.get("choices", ())]
    return frames[-1] == "[DONE]" and len([reason for reason in reasons if reason]) == 1
