"""Rules of answers from `ChatModel` down to the compiled engine, on a complete folder with random weights."""

import asyncio
import json
import shutil

import jsonschema
import pytest

from flashstep.backends.chat_model import ChatModel
from flashstep.chat.fold import merge
from flashstep.chat.template import builtin_template
from flashstep.engine.config import EngineConfig
from flashstep.errors import InvalidRequest
from flashstep.training.tokenizer import save_tokenizer, train_tokenizer
from flashstep.types import FREE, AnswerRule, Finish, Message, SamplingParams, TextDelta, Tool, ToolCallDelta

SCHEMA = {
    "type": "object",
    "properties": {"letter": {"type": "string", "maxLength": 3}, "count": {"type": "integer", "maximum": 99}},
    "required": ["letter"],
    "additionalProperties": False,
}


def save_tool(**more) -> Tool:
    function = {"name": "save", "parameters": SCHEMA, **more}
    return Tool("save", "", SCHEMA, {"type": "function", "function": function})


@pytest.fixture(scope="module")
def model(toy_checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy") / "toy-model"
    shutil.copytree(toy_checkpoint, folder)
    config = json.loads((folder / "config.json").read_text())
    # The toy's own ids would end a turn with the token that is </think> in this tokenizer.
    (folder / "config.json").write_text(json.dumps(config | {"eos_token_id": [1, 2, 4]}))
    save_tokenizer(train_tokenizer(["how many r s are in it"] * 3, 300), folder, builtin_template())
    loaded = ChatModel.load(folder, EngineConfig(num_draft_tokens=2, kv_memory_bytes=64 << 20, num_threads=1))
    yield loaded
    loaded.close()


def ask(model, rule, tools, seeds) -> list[list]:
    """The events of one answer per seed, computed in one batch."""

    async def one(seed):
        wishes = SamplingParams(seed=seed, max_tokens=150, thinking_token_budget=4)
        answer = model.chat(
            [Message("user", "how many r s?")], tools, wishes, rule=rule, trace_id="t", request_id=f"r{seed}"
        )
        return merge([event async for event in answer])

    async def all_of_them():
        return await asyncio.gather(*map(one, seeds))

    return asyncio.run(all_of_them())


def text_of(events) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def arguments_of(events) -> list[dict]:
    pieces: dict[int, str] = {}
    for event in events:
        if isinstance(event, ToolCallDelta):
            pieces[event.index] = pieces.get(event.index, "") + event.arguments
    return [json.loads(text) for text in pieces.values()]


def test_a_json_answer_is_nothing_but_a_value_of_its_schema(model):
    answers = ask(model, AnswerRule(json_schema=SCHEMA), (), range(8))
    for events in answers:
        assert isinstance(events[-1], Finish)
        assert events[-1].reason == "stop"
        jsonschema.validate(json.loads(text_of(events)), SCHEMA)


def test_a_required_call_is_made_once_and_has_valid_arguments(model):
    for events in ask(model, AnswerRule(required_tools=("save",), max_calls=1), [save_tool()], range(8)):
        [arguments] = arguments_of(events)
        jsonschema.validate(arguments, SCHEMA)
        assert text_of(events) == ""
        assert events[-1].reason == "tool_calls"


def test_random_text_under_strict_tools_makes_only_valid_calls(model):
    answers = ask(model, FREE, [save_tool(strict=True)], range(8))
    for events in answers:
        for arguments in arguments_of(events) if events[-1].reason != "length" else ():
            jsonschema.validate(arguments, SCHEMA)
    assert any(text_of(events) for events in answers)


def test_a_schema_that_cannot_be_enforced_is_refused_before_the_first_event(model):
    with pytest.raises(InvalidRequest, match="response_format"):
        ask(model, AnswerRule(json_schema={"type": "array", "uniqueItems": True}), (), [0])
