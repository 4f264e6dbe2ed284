"""Wishes on their way through the chat model: scores, budgets, rules, and what the Finish says of them."""

import asyncio
import json
import shutil
from dataclasses import replace

import pytest

from flashstep.backends.chat_model import ChatModel
from flashstep.backends.scripted import ScriptedBackend
from flashstep.chat.tokenizer import Tokenizer, read_json
from flashstep.engine.config import EngineConfig
from flashstep.errors import InvalidRequest
from flashstep.types import (
    FREE,
    AnswerRule,
    Finish,
    LogprobsDelta,
    Message,
    ReasoningDelta,
    SamplingParams,
    TextDelta,
    Tool,
    ToolCallDelta,
)  # fmt: skip

ASK = [Message("user", "how many r s?")]
ANSWER = "let me count\n</think>\nthree r s"
SCHEMA = {"type": "object", "properties": {"word": {"type": "string"}}}
COUNT = Tool("count", "", SCHEMA, {"type": "function", "function": {"name": "count", "parameters": SCHEMA}})
CALL = "<tool_call>\n<function=count>\n<parameter=word>\n{}\n</parameter>\n</function>\n</tool_call>"


@pytest.fixture
def script(tokenizer, template):
    """Makes a ChatModel over a scripted backend; both are returned."""

    def make(answer, **options):
        backend = ScriptedBackend(tokenizer, [answer], **options)
        return ChatModel(backend, tokenizer, template, frozenset({tokenizer.token_id("<|im_end|>")})), backend

    return make


@pytest.fixture(scope="module")
def random_model(toy_checkpoint, tokenizer_folder, tokenizer, tmp_path_factory):
    """The real engine with random weights, which never closes its reasoning by itself."""
    folder = tmp_path_factory.mktemp("wishes") / "toy-model"
    shutil.copytree(toy_checkpoint, folder)
    shutil.copytree(tokenizer_folder, folder, dirs_exist_ok=True)
    config = json.loads((folder / "config.json").read_text())
    config["eos_token_id"] = tokenizer.token_id("<|im_end|>")  # the toy's own ids are markers here
    (folder / "config.json").write_text(json.dumps(config))
    model = ChatModel.load(folder, EngineConfig(num_threads=1, weight_format="float32"))
    yield model
    model.close()


def ask(model, tools=(), rule=FREE, **params):
    """(events, Finish) of one answer."""

    async def collect():
        wishes = SamplingParams(**params)
        stream = model.chat(ASK, tools, wishes, rule=rule, trace_id="t", request_id="r")
        return [event async for event in stream]

    *events, finish = asyncio.run(collect())
    assert isinstance(finish, Finish)
    return events, finish


def scored(events, part):
    """The bytes of the scored tokens of one part."""
    found = [event for event in events if isinstance(event, LogprobsDelta) and event.part == part]
    return b"".join(s.token.data for event in found for s in event.tokens)


def shown(events, kind):
    return "".join(event.text for event in events if isinstance(event, kind))


@pytest.mark.parametrize("tokens_per_output", [1, 3, 100])
def test_scores_come_only_when_asked_for_and_spell_the_answer(script, tokens_per_output):
    model, _ = script(ANSWER, tokens_per_output=tokens_per_output)
    assert not any(isinstance(event, LogprobsDelta) for event in ask(model)[0])
    events, _ = ask(model, logprobs=1)
    assert scored(events, "reasoning") == b"let me count\n</think>\n"
    assert scored(events, "text") == b"three r s"
    assert scored(events, "prompt") == b""
    tokens = [s for e in events if isinstance(e, LogprobsDelta) for s in e.tokens]
    assert all(s.token.logprob == 0.0 and s.top == (s.token,) for s in tokens)


def test_the_token_that_ended_the_turn_has_no_score(script, tokenizer, template):
    end = tokenizer.token_id("<|im_end|>")
    _, backend = script([*tokenizer.encode(ANSWER), end])
    model = ChatModel(_StopsAtEnd(backend), tokenizer, template, frozenset({end}))
    events, finish = ask(model, logprobs=0)
    assert scored(events, "text") == b"three r s"
    assert finish.usage.completion_tokens == len(tokenizer.encode(ANSWER)) + 1


def test_scores_of_the_prompt_come_first(script, tokenizer, template):
    model, _ = script(ANSWER)
    events, _ = ask(model, prompt_logprobs=0)
    assert isinstance(events[0], LogprobsDelta)
    ids = [s.token.token_id for s in events[0].tokens]
    assert (events[0].part, ids) == ("prompt", template.encode(ASK)[1:])
    assert scored(events[1:], "prompt") == b""


def test_a_raw_prompt_is_scored_as_text(script):
    model, _ = script("ab\n</think>\nc")

    async def collect():
        params = SamplingParams(logprobs=0, prompt_logprobs=0)
        return [e async for e in model.complete("how", params, trace_id="t", request_id="r")]

    events = asyncio.run(collect())
    assert scored(events, "text") == b"ab\n</think>\nc"
    assert scored(events, "reasoning") == b""
    assert b"how".endswith(scored(events, "prompt"))


def test_the_stop_string_that_matched_is_told_and_never_one_in_the_reasoning(script):
    model, _ = script(ANSWER)
    events, finish = ask(model, stop=(" me ", " r", "zzz"))
    assert (finish.reason, finish.stop_reason) == ("stop", " r")
    assert (shown(events, ReasoningDelta), shown(events, TextDelta)) == ("let me count", "three")
    _, finish = ask(model, stop=("zzz", "let"))
    assert (finish.reason, finish.stop_reason) == ("stop", None)


def test_the_end_of_the_reasoning_lies_between_first_and_last_token(script):
    model, _ = script(ANSWER)
    timings = ask(model)[1].timings
    assert 0 <= timings.first_token_s <= timings.reasoning_end_s <= timings.finished_s
    cut = ask(model, max_tokens=3)[1].timings
    assert cut.reasoning_end_s is None


@pytest.mark.parametrize("tokens_per_output", [1, 100])
def test_behind_the_one_call_that_is_wanted_the_generation_ends(script, tokens_per_output):
    model, backend = script(
        "hm\n</think>\n" + CALL.format("a") + CALL.format("b"), tokens_per_output=tokens_per_output
    )
    events, finish = ask(model, tools=[COUNT], rule=AnswerRule(max_calls=1))
    calls = [event for event in events if isinstance(event, ToolCallDelta)]
    assert {event.index for event in calls} == {0}
    assert "".join(event.arguments for event in calls) == '{"word": "a"}'
    assert finish.reason == "tool_calls"
    assert backend.aborted_request_ids == ["r"]
    assert len([e for e in ask(model, tools=[COUNT])[0] if isinstance(e, ToolCallDelta) and e.id]) == 2


def test_a_request_tells_the_engine_what_closes_its_reasoning_and_a_raw_prompt_has_none(script, tokenizer):
    model, backend = script(ANSWER)
    ask(model)
    request = backend.requests[-1]
    assert request.think_end_token_ids == tuple(tokenizer.encode("\n</think>\n"))
    assert request.think_end_marker_id == tokenizer.token_id("</think>")
    assert request.grammar is None

    async def complete():
        return [e async for e in model.complete("a", SamplingParams(), trace_id="t", request_id="r")]

    asyncio.run(complete())
    assert backend.requests[-1].think_end_marker_id is None


def test_a_rule_becomes_the_grammar_of_the_request(script):
    model, backend = script(ANSWER)
    ask(model, rule=AnswerRule(json_schema={}))
    assert "start" in backend.requests[-1].grammar


def test_a_budget_is_refused_by_name_where_the_reasoning_has_no_marker(tokenizer_folder, template, script):
    state = read_json(tokenizer_folder / "tokenizer.json")
    added = [token for token in state["added_tokens"] if token["content"] != "</think>"]
    bare = Tokenizer({**state, "added_tokens": added})
    model = ChatModel(script(ANSWER)[1], bare, template, frozenset())
    with pytest.raises(InvalidRequest, match="thinking_token_budget") as refusal:
        ask(model, thinking_token_budget=3)
    assert refusal.value.param == "thinking_token_budget"
    assert ask(model)[1].reason in ("stop", "length")


@pytest.mark.parametrize("budget", [0, 1, 7])
def test_a_budget_closes_the_reasoning_of_a_real_engine(random_model, budget):
    events, finish = ask(
        random_model, temperature=0.0, max_tokens=budget + 15, thinking_token_budget=budget, logprobs=0
    )
    closing = len(random_model.tokenize("\n")) * 2 + 1
    tokens = [s for e in events if isinstance(e, LogprobsDelta) and e.part == "reasoning" for s in e.tokens]
    assert budget <= len(tokens) <= budget + closing
    assert scored(events, "reasoning").endswith(b"\n</think>\n")
    assert shown(events, TextDelta)
    assert finish.usage.reasoning_tokens <= budget + 1
    assert finish.timings.reasoning_end_s is not None
    free, _ = ask(random_model, temperature=0.0, max_tokens=budget + 15)
    assert not shown(free, TextDelta)


def test_a_loop_of_a_real_engine_is_marked_in_the_finish(random_model):
    letter = random_model.tokenize("a")[0]
    wishes = {"temperature": 0.0, "max_tokens": 1100, "logit_bias": ((letter, 100.0),)}
    events, finish = ask(random_model, **wishes)
    assert (finish.reason, finish.stop_reason) == ("length", "repetition")
    assert set(shown(events, ReasoningDelta)) == {"a"}
    assert finish.usage.completion_tokens < 1100


class _StopsAtEnd:
    """Ends like an engine that met a stop id: the last token comes with the reason."""

    def __init__(self, backend):
        self._backend = backend
        self.context_length = backend.context_length

    async def generate(self, request):
        outputs = [output async for output in self._backend.generate(request)]
        for output in outputs[:-2]:
            yield output
        yield replace(outputs[-2], finish_reason=outputs[-1].finish_reason, timings=outputs[-1].timings)
