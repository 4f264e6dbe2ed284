"""Lets the model call a Python function and answer from what it returns."""

import json
import os

from openai import OpenAI

client = OpenAI(
    base_url=os.environ.get("FLASHSTEP_BASE_URL", "http://127.0.0.1:8000/v1"),
    api_key=os.environ.get("FLASHSTEP_API_KEY", "none"),
)
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"name": "get_weather", "description": "Current weather in a city.", "parameters": PARAMETERS}
TOOLS = [{"type": "function", "function": TOOL}]
WISHES = {"model": "step-3.5-flash", "tools": TOOLS, "temperature": 0}  # 0: chance does not choose the tool


def get_weather(city: str) -> str:
    """A stand-in for a real weather service."""
    return json.dumps({"city": city, "temperature_c": 21, "sky": "clear"})


def main() -> None:
    """Answer every tool call until the model answers in words (at most 4 rounds)."""
    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    for _ in range(4):
        completion = client.chat.completions.create(messages=messages, **WISHES)
        message = completion.choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        if not message.tool_calls:
            print(message.content)
            break
        for call in message.tool_calls:
            print(f"-> {call.function.name}({call.function.arguments})")
            result = get_weather(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


if __name__ == "__main__":
    main()
