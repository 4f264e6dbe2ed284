"""`flashstep ask`: one question, one streamed answer, no server."""

import asyncio
import json
import secrets
import sys
from typing import Annotated

import typer
from rich.console import Console

from flashstep.cli import options
from flashstep.cli.loading import opened_model
from flashstep.cli.transcript import Transcript, tokens_per_second
from flashstep.errors import BackendError, InvalidRequest
from flashstep.types import Finish, Message, SamplingParams

EPILOG = """\b
Examples:
  flashstep ask "How many 'r's are in the word strawberry?"
  flashstep ask --temperature 0 --json "Which is larger, 9.11 or 9.9?"
  echo "Spell lamp backwards." | flashstep ask -
"""


def ask(
    question: Annotated[str, typer.Argument(help="The question; - reads it from standard input.")],
    model: options.Model = None,
    system: options.System = None,
    temperature: options.Temperature = options.DEFAULT_TEMPERATURE,
    top_p: options.TopP = options.DEFAULT_TOP_P,
    seed: options.Seed = None,
    max_tokens: options.MaxTokens = None,
    runner: options.Runner = "cpu",
    device: options.Device = None,
    threads: options.Threads = None,
    weight_format: options.WeightFormat = None,
    kv_memory_mib: options.KvMemory = None,
    drafts: options.Drafts = True,
    prefix_cache: options.PrefixCache = True,
    is_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")] = False,
) -> None:
    """Ask one question. The reasoning goes to stderr (dimmed), the answer to stdout."""
    text = sys.stdin.read() if question == "-" else question
    if not text.strip():
        raise InvalidRequest("the question is empty; give it as an argument, or pipe it in with -")
    params = SamplingParams(temperature=temperature, top_p=top_p, seed=seed, max_tokens=max_tokens)
    messages = [Message("system", system)] if system else []
    messages.append(Message("user", text))
    trace_id = secrets.token_hex(16)
    config = options.engine_config(
        threads=threads,
        weight_format=weight_format,
        kv_memory_mib=kv_memory_mib,
        drafts=drafts,
        prefix_cache=prefix_cache,
        runner=runner,
        device=device,
    )
    err = Console(stderr=True)
    transcript = Transcript(Console(), err, is_quiet=is_json)
    with opened_model(model, config, err) as chat_model:
        events = chat_model.chat(messages, (), params, trace_id=trace_id, request_id=f"ask-{trace_id[:12]}")
        answer = asyncio.run(transcript.show(events))
    finish = answer.finish
    assert finish is not None, "the stream ended without a Finish"
    if is_json:
        typer.echo(json.dumps(_as_json(answer.message, finish), ensure_ascii=False))
    transcript.print_summary()
    if finish.reason == "error":
        raise BackendError(f"no complete answer: {finish.error}")


def _as_json(message: Message, finish: Finish) -> dict[str, object]:
    return {
        "reasoning": message.reasoning,
        "content": message.content,
        "finish_reason": finish.reason,
        "prompt_tokens": finish.usage.prompt_tokens,
        "completion_tokens": finish.usage.completion_tokens,
        "reasoning_tokens": finish.usage.reasoning_tokens,
        "tokens_per_second": tokens_per_second(finish),
    }
