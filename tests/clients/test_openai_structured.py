"""The official SDK's typed helpers against the built-in model: parse, stream, forced tool calls."""

import json

import openai
import pytest
from pydantic import BaseModel, Field

pytestmark = pytest.mark.slow

MODEL = "step-3.5-flash"


class City(BaseModel):
    """What the model must fill in."""

    name: str = Field(max_length=20)
    inhabitants: int = Field(ge=0, le=100_000_000)


TOOL = openai.pydantic_function_tool(City, name="add_city")


@pytest.fixture
def client(builtin_url):
    with openai.OpenAI(base_url=f"{builtin_url}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_parse_returns_the_typed_object(client):
    messages = [{"role": "user", "content": "Paris"}]
    completion = client.chat.completions.parse(model=MODEL, messages=messages, response_format=City)
    assert isinstance(completion.choices[0].message.parsed, City)
    assert completion.choices[0].message.reasoning


def test_the_stream_helper_parses_too(client):
    messages = [{"role": "user", "content": "Paris"}]
    with client.chat.completions.stream(model=MODEL, messages=messages, response_format=City) as stream:
        completion = stream.get_final_completion()
    assert isinstance(completion.choices[0].message.parsed, City)


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "add_city"}}])
@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_a_forced_call_has_arguments_of_its_schema(client, choice, temperature):
    completion = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Which cities do you know?"}],
        tools=[TOOL],
        tool_choice=choice,
        parallel_tool_calls=False,
        temperature=temperature,
        seed=1,
    )
    [call] = completion.choices[0].message.tool_calls
    assert call.function.name == "add_city"
    City.model_validate(json.loads(call.function.arguments), strict=True)
    assert completion.choices[0].finish_reason == "tool_calls"
