"""Streams an answer and ends with the token counts. Needs a running server: `flashstep serve`."""

import os

from openai import OpenAI

client = OpenAI(
    base_url=os.environ.get("FLASHSTEP_BASE_URL", "http://127.0.0.1:8000/v1"),
    api_key=os.environ.get("FLASHSTEP_API_KEY", "none"),
)


def main() -> None:
    """Print reasoning and answer as they arrive, then what they cost."""
    stream = client.chat.completions.create(
        model="step-3.5-flash",
        messages=[{"role": "user", "content": "Spell the word lantern backwards."}],
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in stream:
        for choice in chunk.choices:
            print(getattr(choice.delta, "reasoning", None) or choice.delta.content or "", end="", flush=True)
        if chunk.usage:
            print(f"\n{chunk.usage.prompt_tokens} tokens in, {chunk.usage.completion_tokens} tokens out")


if __name__ == "__main__":
    main()
