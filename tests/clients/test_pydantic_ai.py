"""pydantic-ai: its agent loop with tools, its thinking parts, its structured output, its stream."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from pydantic import BaseModel, Field

pytestmark = pytest.mark.slow


@asynccontextmanager
async def agent(url: str, **options: Any) -> AsyncIterator[Any]:
    """An agent on the server at `url` whose connections are closed at the end."""
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client:
        yield Agent(
            OpenAIChatModel("step-3.5-flash", provider=OpenAIProvider(openai_client=client)), **options
        )


def driven(url: str, use: Callable[[Any], Awaitable[Any]], **options: Any) -> Any:
    """What `use` does with an agent."""

    async def run() -> Any:
        async with agent(url, **options) as helper:
            return await use(helper)

    return asyncio.run(run())


def test_an_agent_calls_its_tool_and_uses_the_result(agentlike_url):
    asked = []

    async def use(helper):
        @helper.tool_plain
        def get_weather(city: str) -> str:
            asked.append(city)
            return "rainy"

        return await helper.run("What is the weather?")

    assert driven(agentlike_url, use).output == "It says: rainy"
    assert asked == ["Paris"]


def test_the_reasoning_arrives_as_a_thinking_part(builtin_url):
    from pydantic_ai.messages import TextPart, ThinkingPart

    question = "How many 'r's are in the word strawberry?"
    result = driven(builtin_url, lambda helper: helper.run(question, model_settings={"temperature": 0}))
    parts = result.all_messages()[-1].parts
    assert "3" in "".join(p.content for p in parts if isinstance(p, ThinkingPart))
    assert "3" in "".join(p.content for p in parts if isinstance(p, TextPart))


class City(BaseModel):
    """What the model must fill in."""

    name: str = Field(max_length=20)
    inhabitants: int = Field(ge=0, le=100_000_000)


def test_structured_output_is_made_by_the_grammar(builtin_url):
    from pydantic_ai import NativeOutput

    result = driven(builtin_url, lambda helper: helper.run("Paris"), output_type=NativeOutput(City))
    assert isinstance(result.output, City)


def test_a_stream_gives_the_whole_text(agentlike_url):
    async def use(helper):
        async with helper.run_stream("hello") as stream:
            return [text async for text in stream.stream_text(delta=True)]

    assert "".join(driven(agentlike_url, use)) == "Hello there, how are you today?"
