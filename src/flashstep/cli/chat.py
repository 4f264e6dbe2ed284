"""`flashstep chat`: a conversation in the terminal. Ctrl-C stops an answer, not the program."""

import asyncio
import secrets
from typing import TYPE_CHECKING

from rich.console import Console

from flashstep.cli import options
from flashstep.cli.loading import opened_model
from flashstep.cli.transcript import Transcript
from flashstep.errors import InvalidRequest, Overloaded
from flashstep.types import Message, SamplingParams

if TYPE_CHECKING:
    from flashstep.backends.chat_model import ChatModel

EPILOG = """\b
Examples:
  flashstep chat
  flashstep chat --system "You answer in one word." --temperature 0

Inside: /clear forgets the conversation, /exit (or Ctrl-D) leaves, Ctrl-C stops the answer.
"""


def chat(
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
) -> None:
    """Talk with the model; it remembers the conversation until /clear."""
    params = SamplingParams(temperature=temperature, top_p=top_p, seed=seed, max_tokens=max_tokens)
    out, err = Console(), Console(stderr=True)
    config = options.engine_config(
        threads=threads,
        weight_format=weight_format,
        kv_memory_mib=kv_memory_mib,
        drafts=drafts,
        runner=runner,
        device=device,
    )
    with opened_model(model, config, err) as chat_model, asyncio.Runner() as loop:
        err.print("/clear forgets, /exit leaves, Ctrl-C stops an answer", style="dim", highlight=False)
        Conversation(chat_model, params, system, loop, out, err).run()


class Conversation:
    """The history and the loop. A stopped answer stays in the history as far as it was shown."""

    def __init__(
        self,
        model: "ChatModel",
        params: SamplingParams,
        system: str | None,
        runner: asyncio.Runner,
        out: Console,
        err: Console,
    ) -> None:
        self._model = model
        self._params = params
        self._system = [Message("system", system)] if system else []
        self._runner = runner
        self._out = out
        self._err = err
        self.messages = list(self._system)

    def run(self) -> None:
        """Read, answer, repeat; returns at /exit or at the end of the input."""
        while (line := self._read()) is not None:
            match line.strip():
                case "":
                    continue
                case "/exit" | "/quit":
                    return
                case "/clear":
                    self.messages = list(self._system)
                    self._err.print("forgotten", style="dim")
                case command if command.startswith("/"):
                    self._err.print(f"{command}: no such command; there are /clear and /exit", style="yellow")
                case text:
                    self._answer(text)

    def _read(self) -> str | None:
        try:
            return self._err.input("[bold]> [/bold]")
        except (EOFError, KeyboardInterrupt):
            self._err.print()
            return None

    def _answer(self, text: str) -> None:
        trace_id = secrets.token_hex(16)
        transcript = Transcript(self._out, self._err)
        asked = [*self.messages, Message("user", text)]
        try:
            self._runner.run(self._stream(transcript, asked, trace_id))
        except KeyboardInterrupt:
            self._err.print("\n[stopped]", style="yellow", markup=False, highlight=False)
        except (InvalidRequest, Overloaded) as e:
            # Too long for the context, or the engine is being started again: the conversation itself goes on.
            self._err.print(e.message, style="red", markup=False, highlight=False)
            return
        transcript.print_summary()
        self.messages = [*asked, transcript.fold.message]

    async def _stream(self, transcript: Transcript, messages: list[Message], trace_id: str) -> None:
        events = self._model.chat(
            messages, (), self._params, trace_id=trace_id, request_id=f"chat-{trace_id[:12]}"
        )
        await transcript.show(events)
