"""The built-in weights through the openai client: the first question of all, and a call of a tool."""

import json

import httpx
import pytest
from openai import OpenAI

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "get_weather", "description": "Current weather in a city.", "parameters": PARAMETERS}
TOOL = {"type": "function", "function": FUNCTION}


@pytest.fixture
def ask(builtin_url):
    """A function that returns the assistant's message for these messages."""
    with OpenAI(base_url=f"{builtin_url}/v1", api_key="none") as client:

        def send(*messages, **options):
            completion = client.chat.completions.create(
                model="step-3.5-flash", messages=list(messages), temperature=0, **options
            )
            return completion.choices[0].message

        yield send


def test_the_first_question_is_answered_by_counting(ask):
    answer = ask({"role": "user", "content": "How many 'r's are in the word strawberry?"})
    assert "r appears 3 times" in answer.reasoning
    assert answer.content == "There are 3 'r's in \"strawberry\"."


def test_a_tool_is_called_and_its_result_told(ask):
    question = {"role": "user", "content": "What is the weather in Paris?"}
    message = ask(question, tools=[TOOL])
    [call] = message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Paris"})
    result = {"role": "tool", "tool_call_id": call.id, "content": json.dumps({"temperature": 21})}
    assert "21" in ask(question, message.model_dump(exclude_none=True), result, tools=[TOOL]).content


def test_what_it_was_not_taught_is_refused(ask):
    answer = ask({"role": "user", "content": "What is the capital of France?"})
    assert answer.content.startswith("I cannot help with that.")


def test_a_prompt_that_is_known_is_told_as_cached(builtin_url):
    """In both places where clients look for it."""
    system = {"role": "system", "content": "You are the assistant of a library. " * 12}
    question = {"role": "user", "content": "How much is 3 + 4?"}
    asked = {"model": "step-3.5-flash", "max_tokens": 1, "messages": [system, question]}
    first, second = (
        httpx.post(f"{builtin_url}/v1/chat/completions", json=asked, timeout=60).json()["usage"]
        for _ in range(2)
    )
    assert first["prompt_tokens"] > 64
    assert first["prompt_tokens_details"]["cached_tokens"] == first["cached_tokens"] < 64
    assert second["prompt_tokens_details"]["cached_tokens"] == second["cached_tokens"]
    assert 0.8 * second["prompt_tokens"] < second["cached_tokens"] < second["prompt_tokens"]
