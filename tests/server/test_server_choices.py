"""Several answers to one question, scores of tokens, and counts while an answer grows."""

import json

import pytest

from flashstep.server.chat_completions.openai_wire import OpenAIWriter
from flashstep.server.chat_completions.wire import AnswerStyle
from flashstep.server.service import Answer
from flashstep.server.settings import ServerSettings
from flashstep.types import Finish, LogprobsDelta, ReasoningDelta, ScoredToken, TextDelta, TokenText, Usage
from server.running_server import USAGE, ask, serving
from server.scripted_model import scripted

ANSWER = "One, two.\n</think>\nThere are 3."


def frames(response) -> list[dict]:
    """The JSON of each frame but the end mark, which must be there."""
    *data, done, end = response.text.split("\n\n")
    assert (done, end) == ("data: [DONE]", "")
    return [json.loads(frame.removeprefix("data: ")) for frame in data]


def test_n_answers_come_interleaved_each_with_one_role_and_one_finish(server):
    chunks = frames(server.post(ask(n=3, stream=True)))
    choices = [chunk["choices"][0] for chunk in chunks]
    for index in range(3):
        own = [choice for choice in choices if choice["index"] == index]
        assert "".join(choice["delta"].get("content", "") for choice in own) == "There are 3."
        assert [choice["delta"].get("role") for choice in own] == ["assistant"] + [None] * (len(own) - 1)
        assert [choice["finish_reason"] for choice in own] == [None] * (len(own) - 1) + ["stop"]
    order = [choice["index"] for choice in choices]
    assert order != sorted(order)


def test_n_answers_come_whole_and_their_prompt_counts_once(server):
    answer = server.openai().chat.completions.create(**ask(n=3))
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert {choice.message.content for choice in answer.choices} == {"There are 3."}
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (12, 21)
    assert answer.usage.total_tokens == 33
    assert answer.usage.cached_tokens == 8
    assert answer.usage.completion_tokens_details.reasoning_tokens == 12


def test_n_streamed_answers_have_one_usage_chunk(server):
    stream = server.openai().chat.completions.create(
        **ask(n=2, stream_options={"include_usage": True}), stream=True
    )
    with_usage = [chunk for chunk in stream if chunk.usage]
    assert [(c.choices, c.usage.prompt_tokens, c.usage.completion_tokens) for c in with_usage] == [
        ([], 12, 14)
    ]


def test_n_answers_of_a_seed_differ_in_their_seeds(server):
    server.post(ask(n=3, seed=5))
    assert sorted(call.params.seed for call in server.model.calls) == [5, 6, 7]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_when_one_of_n_answers_fails_all_do(server, stream):
    server.model.script = [Finish("error", error="out of blocks")]
    response = server.post(ask(n=2, stream=stream))
    assert response.status_code == 502
    assert "out of blocks" in response.json()["error"]["message"]


def test_the_operator_sets_the_most_answers():
    model, _ = scripted(ANSWER)
    with serving(model, ServerSettings(max_choices=2)) as server:
        assert len(server.post(ask(n=2)).json()["choices"]) == 2
        assert server.post(ask(n=3)).json()["error"]["param"] == "n"


@pytest.mark.parametrize("tokens_per_output", [1, 4])
def test_running_counts_grow_with_each_chunk_to_the_final_ones(tokens_per_output):
    model, _ = scripted(ANSWER, tokens_per_output=tokens_per_output)
    options = {"include_usage": True, "continuous_usage_stats": True}
    with serving(model, ServerSettings()) as server:
        chunks = frames(server.post(ask(stream=True, stream_options=options)))
    assert all(chunk["usage"] for chunk in chunks)
    opening, *rest = [chunk["usage"]["completion_tokens"] for chunk in chunks]
    assert opening <= rest[0] <= tokens_per_output
    assert rest == sorted(rest)
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == chunks[-2]["usage"]
    assert len({chunk["usage"]["prompt_tokens"] for chunk in chunks}) == 1


def test_counts_beside_every_chunk_need_no_chunk_of_their_own():
    model, _ = scripted(ANSWER)
    with serving(model, ServerSettings()) as server:
        body = ask(stream=True, stream_options={"continuous_usage_stats": True})
        assert all(chunk["choices"] for chunk in frames(server.post(body)))


def test_scores_cover_the_answer_in_content_and_the_thinking_beside_it():
    model, _ = scripted(ANSWER)
    with serving(model, ServerSettings()) as server:
        answer = server.openai().chat.completions.create(**ask(logprobs=True, top_logprobs=1))
    scores = answer.choices[0].logprobs
    assert b"".join(bytes(token.bytes) for token in scores.content) == b"There are 3."
    assert "".join(token.token for token in scores.content) == "There are 3."
    assert "".join(token["token"] for token in scores.reasoning).startswith("One, two.")
    assert scores.refusal is None
    first = scores.content[0]
    assert (first.logprob, [top.token for top in first.top_logprobs]) == (0.0, [first.token])


def test_streamed_scores_are_those_of_the_whole_answer():
    model, _ = scripted(ANSWER)
    body = ask(logprobs=True)
    with serving(model, ServerSettings()) as server:
        whole = server.post(body).json()["choices"][0]["logprobs"]
        told = [c["choices"][0]["logprobs"] for c in frames(server.post(body | {"stream": True}))]
        with server.openai().chat.completions.stream(**body) as stream:
            folded = stream.get_final_completion()
    told = [scores for scores in told if scores]
    assert [token for scores in told for token in scores["content"]] == whole["content"]
    assert [token for scores in told for token in scores.get("reasoning", [])] == whole["reasoning"]
    assert all(token["top_logprobs"] == [] for token in whole["content"])
    assert [t.token for t in folded.choices[0].logprobs.content] == [t["token"] for t in whole["content"]]


@pytest.mark.parametrize("tokens_per_output", [1, 3])
def test_streamed_text_and_its_scores_come_together(tokens_per_output):
    model, _ = scripted(ANSWER, tokens_per_output=tokens_per_output)
    with serving(model, ServerSettings()) as server:
        chunks = frames(server.post(ask(logprobs=True, stream=True)))
    for choice in (chunk["choices"][0] for chunk in chunks[1:-1]):
        scores, delta = choice["logprobs"], choice["delta"]
        text = "".join(token["token"] for token in scores.get("reasoning", []))
        assert (delta["reasoning"] or "") in text
        text = "".join(token["token"] for token in scores["content"])
        assert delta.get("content", "") in text


def test_text_without_scores_is_not_lost():
    writer = OpenAIWriter(
        Answer("chatcmpl-1", "0" * 32, 1, "m", "fp", events=None), AnswerStyle(has_logprobs=True)
    )
    token = ScoredToken(TokenText(1, "c", b"c", -1.0))
    events = [ReasoningDelta("a"), TextDelta("b"), TextDelta("c"), LogprobsDelta((token,)), TextDelta("d")]
    written = b"".join(writer.delta(0, event) for event in events) + writer.finish(0, Finish("stop"))
    deltas = [
        (choice["delta"], bool(choice["logprobs"]))
        for line in written.decode().split("\n\n")[:-1]
        for choice in json.loads(line[6:])["choices"]
    ]
    assert deltas == [
        ({"reasoning": "a"}, False),
        ({"reasoning": None, "content": "bc"}, True),
        ({"reasoning": None, "content": "d"}, False),
        ({"reasoning": None}, False),
    ]


def test_scores_of_hidden_thinking_are_hidden_too(server):
    token = ScoredToken(TokenText(1, "a", b"a", -1.0))
    server.model.script = [
        ReasoningDelta("a"),
        LogprobsDelta((token,), "reasoning"),
        TextDelta("a"),
        LogprobsDelta((token,)),
        Finish("stop", USAGE),
    ]
    body = ask(logprobs=True, include_reasoning=False)
    told = server.post(body).json()["choices"][0]["logprobs"]
    assert told.keys() == {"content", "refusal"}
    assert "reasoning" not in server.post(body | {"stream": True}).text.replace("reasoning_tokens", "")


def test_an_impossible_token_has_a_score_that_json_can_say(server):
    token = ScoredToken(TokenText(1, "\ufffd", b"\xe2", 0.0), (TokenText(2, "b", b"b", float("-inf")),))
    server.model.script = [TextDelta("a"), LogprobsDelta((token,)), Finish("stop")]
    [told] = server.post(ask(logprobs=True, top_logprobs=1)).json()["choices"][0]["logprobs"]["content"]
    assert told["bytes"] == [0xE2]
    assert told["top_logprobs"] == [{"token": "b", "logprob": -9999.0, "bytes": [98]}]


@pytest.mark.parametrize(
    ("finish", "reason", "stop_reason"),
    [
        (Finish("stop", stop_reason="###"), "stop", "###"),
        (Finish("length", Usage(1, 9), stop_reason="repetition"), "length", "repetition"),
        (Finish("length"), "length", None),
    ],
    ids=str,
)
def test_what_ended_an_answer_is_told_beside_the_finish_reason(server, finish, reason, stop_reason):
    server.model.script = [TextDelta("a"), finish]
    [choice] = server.post(ask()).json()["choices"]
    last = frames(server.post(ask(stream=True)))[-1]["choices"][0]
    for told in (choice, last):
        assert (told["finish_reason"], told["stop_reason"]) == (reason, stop_reason)


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("reasoning", {"reasoning"}),
        ("reasoning_content", {"reasoning_content"}),
        ("both", {"reasoning", "reasoning_content"}),
    ],
)
def test_the_operator_chooses_the_reasoning_field_and_the_request_may_overrule(field, names):
    model, _ = scripted(ANSWER)
    with serving(model, ServerSettings(reasoning_field=field)) as server:
        message = server.post(ask()).json()["choices"][0]["message"]
        chunks = frames(server.post(ask(stream=True)))
        overruled = server.post(ask(reasoning_format="deepseek-style")).json()["choices"][0]["message"]
    assert {name for name in message if "reasoning" in name} == names
    assert {message[name] for name in names} == {"One, two."}
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    for name in names:
        assert "".join(delta[name] or "" for delta in deltas) == "One, two."
    assert {name for name in overruled if "reasoning" in name} == {"reasoning_content"}
