"""pydantic-ai: its agent loop with tools, its thinking parts, its stream."""

import pytest

# The library keeps its connections open until the interpreter ends.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]


def agent(url, **options):
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(base_url=f"{url}/v1", api_key="none")
    return Agent(OpenAIChatModel("step-3.5-flash", provider=provider), **options)


def test_an_agent_calls_its_tool_and_uses_the_result(agentlike_url):
    asked = []
    helper = agent(agentlike_url)

    @helper.tool_plain
    def get_weather(city: str) -> str:
        asked.append(city)
        return "rainy"

    result = helper.run_sync("What is the weather?")
    assert asked == ["Paris"]
    assert result.output == "It says: rainy"


def test_the_reasoning_arrives_as_a_thinking_part(builtin_url):
    from pydantic_ai.messages import TextPart, ThinkingPart

    result = agent(builtin_url).run_sync(
        "How many 'r's are in the word strawberry?", model_settings={"temperature": 0}
    )
    parts = result.all_messages()[-1].parts
    thinking = "".join(p.content for p in parts if isinstance(p, ThinkingPart))
    text = "".join(p.content for p in parts if isinstance(p, TextPart))
    assert "3" in thinking
    assert "3" in text


def test_structured_output_is_made_by_the_grammar(builtin_url):
    from pydantic import BaseModel
    from pydantic_ai import NativeOutput

    class City(BaseModel):
        name: str
        inhabitants: int

    result = agent(builtin_url, output_type=NativeOutput(City)).run_sync(
        "Paris", model_settings={"max_tokens": 2000}
    )
    assert isinstance(result.output, City)


def test_a_stream_gives_the_whole_text(agentlike_url):
    import asyncio

    async def collect():
        async with agent(agentlike_url).run_stream("hello") as stream:
            return [text async for text in stream.stream_text(delta=True)]

    assert "".join(asyncio.run(collect())) == "Hello there, how are you today?"
