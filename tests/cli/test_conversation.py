"""`flashstep chat` over a scripted backend: what it keeps, and what its commands do."""

import asyncio
import io
from collections.abc import Sequence

import pytest
from rich.console import Console

from flashstep.backends.chat_model import ChatModel
from flashstep.backends.scripted import ScriptedBackend
from flashstep.chat.template import ChatTemplate, builtin_template
from flashstep.chat.tokenizer import Tokenizer
from flashstep.cli.chat import Conversation
from flashstep.errors import Overloaded
from flashstep.types import Message, Request, SamplingParams

ANSWERS = ("let me see</think>one", "and again</think>two")


def converse(
    lines: Sequence[str],
    tokenizer: Tokenizer,
    monkeypatch: pytest.MonkeyPatch,
    *,
    context_length: int = 4096,
) -> tuple[Conversation, str, str]:
    """Type these lines; the conversation, and what it wrote to stdout and stderr."""
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
    backend = ScriptedBackend(tokenizer, ANSWERS, context_length=context_length)
    template = ChatTemplate(builtin_template(), tokenizer)
    out, err = io.StringIO(), io.StringIO()
    with asyncio.Runner() as runner:
        conversation = Conversation(
            ChatModel(backend, tokenizer, template, frozenset()),
            SamplingParams(),
            "be brief",
            runner,
            Console(file=out),
            Console(file=err),
        )
        conversation.run()
    return conversation, out.getvalue(), err.getvalue()


def test_a_conversation_remembers_both_sides(tokenizer, monkeypatch) -> None:
    conversation, out, err = converse(["first", "second"], tokenizer, monkeypatch)
    assert conversation.messages == [
        Message("system", "be brief"),
        Message("user", "first"),
        Message("assistant", "one", reasoning="let me see"),
        Message("user", "second"),
        Message("assistant", "two", reasoning="and again"),
    ]
    assert out == "one\ntwo\n"
    assert "let me see" in err


def test_clear_forgets_all_but_the_system_message(tokenizer, monkeypatch) -> None:
    conversation, _, _ = converse(["first", "/clear"], tokenizer, monkeypatch)
    assert conversation.messages == [Message("system", "be brief")]


def test_exit_leaves_at_once(tokenizer, monkeypatch) -> None:
    conversation, out, _ = converse(["/exit", "never asked"], tokenizer, monkeypatch)
    assert out == ""
    assert conversation.messages == [Message("system", "be brief")]


def test_empty_lines_and_unknown_commands_ask_nothing(tokenizer, monkeypatch) -> None:
    conversation, out, err = converse(["", "  ", "/help"], tokenizer, monkeypatch)
    assert out == ""
    assert "/help: no such command" in err
    assert conversation.messages == [Message("system", "be brief")]


def test_a_question_that_does_not_fit_is_refused_and_the_conversation_goes_on(tokenizer, monkeypatch) -> None:
    lines = ["long " * 200, "short"]
    conversation, out, err = converse(lines, tokenizer, monkeypatch, context_length=200)
    assert "context of 200" in " ".join(err.split())
    assert out == "one\n"
    assert conversation.messages[1] == Message("user", "short")


def test_an_engine_that_is_started_again_costs_a_question_and_not_the_conversation(
    tokenizer, monkeypatch
) -> None:
    generate = ScriptedBackend.generate

    def restarting_at_first(self: ScriptedBackend, request: Request) -> object:
        monkeypatch.setattr(ScriptedBackend, "generate", generate)
        raise Overloaded("the engine died and is being started again; try again shortly")

    monkeypatch.setattr(ScriptedBackend, "generate", restarting_at_first)
    conversation, out, err = converse(["first", "again"], tokenizer, monkeypatch)
    assert "try again shortly" in " ".join(err.split())
    assert out == "one\n"
    assert conversation.messages[1] == Message("user", "again")
