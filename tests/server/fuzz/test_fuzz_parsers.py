"""Whatever a body holds, it is refused with a reason or becomes a generation that can be answered."""

import asyncio
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flashstep.errors import InvalidRequest
from flashstep.server.anthropic.protocol import parse_count as parse_messages_count
from flashstep.server.anthropic.protocol import parse_messages
from flashstep.server.chat_completions.protocol import parse_chat
from flashstep.server.completions.protocol import parse_completion
from flashstep.server.responses.protocol import parse_response
from flashstep.server.settings import ServerSettings
from flashstep.server.tokens.protocol import conversation, parse_count, parse_detokenize, parse_tokenize
from flashstep.types import Finish
from server.fuzz.bodies import ANY_JSON, BODIES, mutated
from server.scripted_model import scripted

SETTINGS = ServerSettings(json_mode=True)
MODEL, _ = scripted("Thinking.\n</think>\nthere are 3")
VOCAB_SIZE = MODEL.vocab_size
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
DEEP = settings(QUICK, max_examples=800)


def count(raw):
    wish = parse_count(raw)
    return conversation(wish.messages, wish.tools, raw)


def messages_count(raw):
    wish = parse_messages_count(raw)
    return wish.messages, wish.tools


def tokenize(raw):
    wish = parse_tokenize(raw)
    return conversation(wish.messages, wish.tools, raw) if wish.messages else None


def detokenize(raw):
    MODEL.detokenize(parse_detokenize(raw).tokens)


# Path -> what reads its body: a list of generations, the parts of a prompt, or nothing.
READERS = {
    "/v1/chat/completions": lambda raw: [parse_chat(raw, SETTINGS, VOCAB_SIZE).generation],
    "/v1/messages": lambda raw: [parse_messages(raw, SETTINGS).generation],
    "/v1/messages/count_tokens": messages_count,
    "/v1/responses": lambda raw: [parse_response(raw, SETTINGS, VOCAB_SIZE).generation],
    "/v1/completions": lambda raw: list(parse_completion(raw, SETTINGS, VOCAB_SIZE).generations),
    "/v1/token/count": count,
    "/tokenize": tokenize,
    "/detokenize": detokenize,
}


def check(path, raw):
    """Read a body and go on with what was accepted; only complaints with a message may come out."""
    as_sent, reason = json.dumps(raw), None
    try:
        read = READERS[path](raw)
        if isinstance(read, tuple):
            MODEL.prompt_token_ids(*read)
        for generation in read if isinstance(read, list) else ():
            asyncio.run(answer(generation))
    except InvalidRequest as error:
        reason = error.message
    assert reason is None or reason.strip()
    assert json.dumps(raw) == as_sent, "the body was changed while it was read"


async def answer(generation):
    """The conversation's way to a backend and back; one Finish at its end."""
    wish = {"trace_id": "t", "request_id": "r"}
    if generation.prompt is not None:
        stream = MODEL.complete(generation.prompt, generation.params, **wish)
    else:
        stream = MODEL.chat(
            generation.messages, generation.tools, generation.params, rule=generation.rule, **wish
        )
    events = [event async for event in stream]
    assert [isinstance(event, Finish) for event in events].index(True) == len(events) - 1


@pytest.mark.parametrize("path", READERS)
def test_the_bodies_to_begin_with_are_valid(path):
    for body in BODIES[path]:
        read = READERS[path](body)
        for generation in read if isinstance(read, list) else ():
            asyncio.run(answer(generation))


@pytest.mark.parametrize("path", READERS)
@QUICK
@given(data=st.data())
def test_a_valid_body_with_wrong_parts_is_refused_with_a_reason_or_answered(path, data):
    check(path, data.draw(mutated(BODIES[path])))


@pytest.mark.parametrize("path", READERS)
@settings(QUICK, max_examples=25)
@given(raw=st.dictionaries(st.text(max_size=8), ANY_JSON, max_size=4), data=st.data())
def test_any_object_is_refused_with_a_reason_or_answered(path, raw, data):
    fields = list(BODIES[path][0])
    check(path, raw | data.draw(st.dictionaries(st.sampled_from(fields), ANY_JSON, max_size=6)))


@pytest.mark.slow
@pytest.mark.parametrize("path", READERS)
@DEEP
@given(data=st.data())
def test_thousands_of_wrong_bodies_are_refused_with_a_reason_or_answered(path, data):
    check(path, data.draw(mutated(BODIES[path])))
