import asyncio
import io
from collections.abc import AsyncIterator

from rich.console import Console

from flashstep.cli.transcript import Transcript, tokens_per_second
from flashstep.types import Event, Finish, Message, ReasoningDelta, TextDelta, Timings, Usage

USAGE = Usage(prompt_tokens=9, completion_tokens=21, reasoning_tokens=15)
TIMINGS = Timings(admitted_s=0.0, first_token_s=0.5, finished_s=1.5, num_drafted=30, num_accepted=15)


async def stream(*events: Event) -> AsyncIterator[Event]:
    for event in events:
        yield event


def shown(*events: Event, is_quiet: bool = False) -> tuple[Transcript, str, str]:
    """The transcript after these events, and what it wrote to stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    transcript = Transcript(Console(file=out, width=40), Console(file=err, width=40), is_quiet=is_quiet)
    asyncio.run(transcript.show(stream(*events)))
    transcript.print_summary()
    return transcript, out.getvalue(), err.getvalue()


def test_the_answer_alone_goes_to_stdout() -> None:
    finish = Finish("stop", USAGE, TIMINGS)
    _, out, err = shown(
        ReasoningDelta("s, t, "), ReasoningDelta("r"), TextDelta("3 "), TextDelta("r's"), finish
    )
    assert out == "3 r's\n"
    assert err.startswith("s, t, r\n\n")


def test_the_summary_counts_tokens_speed_and_drafts() -> None:
    _, _, err = shown(TextDelta("3"), Finish("stop", USAGE, TIMINGS))
    assert " ".join(err.split()) == "21 tokens (15 of reasoning) · 20 tokens/s · 50% of drafts kept"


def test_an_answer_cut_off_while_reasoning_leaves_stdout_empty() -> None:
    _, out, err = shown(ReasoningDelta("s, t"), Finish("length", USAGE, TIMINGS))
    assert out == ""
    assert err.startswith("s, t\n21 tokens")


def test_an_unusual_end_is_shown_with_its_cause() -> None:
    _, _, err = shown(TextDelta("3"), Finish("error", Usage(), Timings(), error="out of blocks"))
    assert "ended by error: out of blocks" in " ".join(err.split())


def test_model_output_cannot_control_the_terminal() -> None:
    out, err = io.StringIO(), io.StringIO()
    transcript = Transcript(Console(file=out, force_terminal=True), Console(file=err, force_terminal=True))
    nasty = "[red]a\x1b[31mb[/red]\r\x07c\n\td\x9b"
    asyncio.run(transcript.show(stream(ReasoningDelta(nasty), TextDelta(nasty), Finish("stop"))))
    assert out.getvalue() == "[red]a[31mb[/red]c\n\td\n"
    assert "[red]a[31mb[/red]c" in err.getvalue()
    assert "\x07" not in err.getvalue()


def test_a_file_gets_every_character_of_the_answer() -> None:
    _, out, _ = shown(TextDelta("[b]x[/b]\ty\r\n\x1b"), Finish("stop"))
    assert out == "[b]x[/b]\ty\r\n\x1b\n"


def test_long_answers_are_not_wrapped_at_the_width_of_the_terminal() -> None:
    _, out, _ = shown(TextDelta("word " * 30), Finish("stop"))
    assert out == "word " * 30 + "\n"


def test_a_quiet_transcript_collects_and_prints_nothing() -> None:
    transcript, out, err = shown(ReasoningDelta("r"), TextDelta("t"), Finish("stop"), is_quiet=True)
    assert (out, err) == ("", "")
    assert transcript.fold.message == Message("assistant", "t", reasoning="r")
    assert transcript.fold.finish == Finish("stop")


def test_speed_is_unknown_when_there_is_nothing_to_divide() -> None:
    assert tokens_per_second(Finish("stop", USAGE, Timings())) is None
    assert tokens_per_second(Finish("stop", Usage(completion_tokens=1), TIMINGS)) is None
    assert tokens_per_second(Finish("stop", USAGE, TIMINGS)) == 20.0
