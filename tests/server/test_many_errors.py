"""A body with many wrong entries is refused at the first of them: one is told, so one is made."""

import pytest

from flashstep.errors import InvalidRequest
from flashstep.server.anthropic.protocol import parse_count as parse_messages_count
from flashstep.server.anthropic.protocol import parse_messages
from flashstep.server.chat_completions.protocol import parse_chat
from flashstep.server.completions.protocol import parse_completion
from flashstep.server.responses.protocol import parse_response
from flashstep.server.settings import ServerSettings
from flashstep.server.tokens.protocol import parse_count, parse_detokenize, parse_tokenize

HI = {"role": "user", "content": "hi"}
CHAT = {"model": "m", "messages": [HI]}
MESSAGES = CHAT | {"max_tokens": 9}
RESPONSE = {"model": "m", "input": "hi"}
COMPLETION = {"model": "m", "prompt": "hi"}
WRONG = [None] * 50
WRONG_MAP = dict.fromkeys(map(str, range(50)))


def chat(raw):
    return parse_chat(raw, ServerSettings(), 1000)


def messages(raw):
    return parse_messages(raw, ServerSettings())


def response(raw):
    return parse_response(raw, ServerSettings(), 1000)


def completion(raw):
    return parse_completion(raw, ServerSettings(), 1000)


def sampling_cases(parse, body):
    return [(parse, body | {name: WRONG}) for name in ("stop", "stop_token_ids")] + [
        (parse, body | {"logit_bias": WRONG_MAP})
    ]


CASES = [
    *sampling_cases(chat, CHAT),
    *sampling_cases(completion, COMPLETION),
    *sampling_cases(response, RESPONSE),
    (chat, CHAT | {"messages": WRONG}),
    (chat, CHAT | {"messages": [{"role": "assistant", "tool_calls": WRONG}] * 50}),
    (chat, CHAT | {"messages": [{"role": "assistant", "reasoning_details": WRONG}] * 50}),
    (chat, CHAT | {"tools": WRONG}),
    (messages, MESSAGES | {"messages": WRONG}),
    (messages, MESSAGES | {"messages": [{"role": "user", "content": WRONG}] * 50}),
    (messages, MESSAGES | {"tools": WRONG}),
    (messages, MESSAGES | {"stop_sequences": [""] * 50}),
    (parse_messages_count, CHAT | {"messages": WRONG}),
    (parse_messages_count, CHAT | {"tools": WRONG}),
    (response, RESPONSE | {"tools": WRONG}),
    (response, RESPONSE | {"include": WRONG}),
    (response, RESPONSE | {"metadata": WRONG_MAP}),
    (parse_count, CHAT | {"messages": WRONG}),
    (parse_count, CHAT | {"tools": WRONG}),
    (parse_tokenize, {"messages": WRONG}),
    (parse_tokenize, {"messages": [HI], "tools": WRONG}),
    (parse_detokenize, {"tokens": WRONG}),
]


@pytest.mark.parametrize(("parse", "body"), CASES)
def test_of_many_wrong_entries_the_first_is_the_only_complaint(parse, body):
    with pytest.raises(InvalidRequest, match=r"[\[.]0(\]|:)") as raised:
        parse(body)
    assert raised.value.__cause__.error_count() == 1
    assert " more)" not in raised.value.message
