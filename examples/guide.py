"""Asks a reasoning question with the openai client and shows the thinking while it streams.

Needs a running server (`flashstep serve`). Any OpenAI-compatible endpoint works: set --base-url and
--api-key, or FLASHSTEP_BASE_URL and FLASHSTEP_API_KEY. Ends with exit code 1 when no answer came.
"""

import argparse
import os
import sys
import time

import openai

QUESTION = "How many 'r's are in the word strawberry?"


def main() -> int:
    """Ask, stream, and print reasoning, answer, trace id and time; the exit code."""
    options = parse_options()
    client = openai.OpenAI(base_url=options.base_url, api_key=options.api_key)
    started = time.perf_counter()
    try:
        # The raw response carries the headers; parse() gives the usual stream of chunks.
        response = client.chat.completions.with_raw_response.create(
            model=options.model, messages=[{"role": "user", "content": options.question}], stream=True
        )
        answer = show(response.parse())
    except openai.APIStatusError as e:
        # Quote the trace id when you report a problem: it names this request in the server's logs.
        print(f"request failed: {e} (trace id {e.response.headers.get('x-trace-id')})", file=sys.stderr)
        return 1
    except openai.OpenAIError as e:
        print(f"{options.base_url}: {e}", file=sys.stderr)
        return 1
    print(f"\n\nTrace ID: {response.headers.get('x-trace-id')}")
    print(f"Time: {time.perf_counter() - started:.2f} s")
    return 0 if answer else 1


def show(chunks: openai.Stream) -> str:
    """Print the reasoning, then the answer, each piece as it arrives; returns the answer."""
    answer = ""
    print("Reasoning:")
    for chunk in chunks:
        if not chunk.choices:  # a chunk may hold only token counts
            continue
        delta = chunk.choices[0].delta
        # `reasoning` is not part of OpenAI's schema, so the client's type does not declare it.
        if reasoning := getattr(delta, "reasoning", None):
            print(reasoning, end="", flush=True)
        if delta.content:
            print(delta.content if answer else f"\n\nAnswer:\n{delta.content}", end="", flush=True)
            answer += delta.content
    return answer


def parse_options() -> argparse.Namespace:
    """The command line, with defaults from the environment."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    base_url = os.environ.get("FLASHSTEP_BASE_URL", "http://127.0.0.1:8000/v1")
    parser.add_argument("--base-url", default=base_url)
    parser.add_argument("--api-key", default=os.environ.get("FLASHSTEP_API_KEY", "none"))
    parser.add_argument("--model", default="step-3.5-flash")
    parser.add_argument("question", nargs="?", default=QUESTION)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
