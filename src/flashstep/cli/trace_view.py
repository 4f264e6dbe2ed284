"""How records look in a terminal: a table of many, or one with its timeline and its content.

What callers and models wrote is data: nothing in it may move the cursor, colour the terminal or be
taken as markup, so it is stripped of control characters and printed as plain text.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from flashstep.cli.transcript import UNPRINTABLE
from flashstep.server.traces.record import AnswerEnd, TraceRecord

_BAR_COLUMNS = 40
_PHASE_STYLES = {"queue": "yellow", "prefill": "cyan", "reasoning": "magenta", "answer": "green"}
_LEAST_WANTED = ("client", "first token", "tokens", "endpoint")
_OUTCOME_STYLES = {"ok": "green", "failed": "red", "disconnected": "yellow"}


def listing(out: Console, records: Sequence[TraceRecord]) -> Table:
    """One row a record, with as many columns as `out` is wide for; the trace id is always whole."""
    columns = {
        "trace id": [Text(r.trace_id) for r in records],
        "arrived": [Text(_time(r.arrived_at, "%m-%d %H:%M:%S")) for r in records],
        "endpoint": [_plain(r.endpoint) for r in records],
        "client": [_plain(r.client or "-") for r in records],
        "outcome": [Text(_ending(r), style=_OUTCOME_STYLES[r.outcome]) for r in records],
        "tokens": [Text(_token_counts(r)) for r in records],
        "first token": [Text(_seconds(r.marks.first_token_s)) for r in records],
        "total": [Text(_seconds(r.total_s)) for r in records],
    }
    for name in ("", *_LEAST_WANTED):
        columns.pop(name, None)
        table = _table(columns)
        if Measurement.get(out, out.options.update(max_width=10_000), table).maximum <= out.width:
            break
    return table


def _table(columns: Mapping[str, Sequence[Text]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in columns:
        is_number = name in ("tokens", "first token", "total")
        table.add_column(name, justify="right" if is_number else "left", no_wrap=name != "outcome")
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    return table


def _token_counts(record: TraceRecord) -> str:
    usage = record.usage
    return "-" if usage is None else f"{usage.prompt_tokens} + {usage.completion_tokens}"


def print_record(out: Console, record: TraceRecord) -> None:
    """Everything that is known of one call."""
    out.print(Rule(Text(f"{record.trace_id}  {record.request_id}"), align="left", style="dim"))
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim")
    facts.add_column(overflow="fold")
    for name, text in _facts(record):
        facts.add_row(name, _plain(text))
    out.print(facts)
    out.print()
    out.print(timeline(record))
    if record.error is not None:
        _section(out, "error", f"{record.error.type}: {record.error.message}")
        if record.error.stack:
            out.print(_plain(record.error.stack.rstrip()), style="dim")
    for title, text in _content(record.content or {}):
        _section(out, title, text)
    out.print()


def timeline(record: TraceRecord) -> Table:
    """A bar for each phase, all on one scale."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(width=_BAR_COLUMNS)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", style="dim", no_wrap=True)
    phases = record.phases()
    whole_s = max(phases[-1].end_s, 1e-9)
    for phase in phases:
        start = round(phase.start_s / whole_s * _BAR_COLUMNS)
        end = round(phase.end_s / whole_s * _BAR_COLUMNS)
        # A phase too short for the scale is still seen.
        start = min(start, _BAR_COLUMNS - 1)
        bar = Text(" " * start + "█" * max(1, end - start), style=_PHASE_STYLES.get(phase.name, "white"))
        table.add_row(phase.name, bar, _seconds(phase.end_s - phase.start_s), f"to {_seconds(phase.end_s)}")
    return table


def _facts(record: TraceRecord) -> Iterator[tuple[str, str]]:
    yield "arrived", _time(record.arrived_at, "%Y-%m-%d %H:%M:%S.%f %Z")
    yield "endpoint", record.endpoint
    if record.model is not None:
        yield "model", f"{record.model} ({record.loaded_model})"
    yield "client", f"{record.client or 'no key'}, {record.user_agent or 'no user agent'}"
    if record.parent_span_id is not None:
        yield "caller's span", record.parent_span_id
    yield "outcome", f"{_ending(record)}, HTTP {record.status}, {_seconds(record.total_s)}"
    for answer in record.answers:
        if answer.usage is not None:
            yield "tokens", _tokens(answer)
    if record.params:
        yield "parameters", json.dumps(record.params, ensure_ascii=False)
    if record.tool_names:
        yield "tools", ", ".join(record.tool_names)


def _tokens(answer: AnswerEnd) -> str:
    usage = answer.usage
    assert usage is not None, "only finished answers have token counts"
    text = (
        f"{usage.prompt_tokens} prompt ({usage.cached_tokens} cached), "
        f"{usage.completion_tokens} completion ({usage.reasoning_tokens} reasoning)"
    )
    if answer.num_drafted:
        text += f", {answer.num_accepted} of {answer.num_drafted} drafts accepted"
    return text


def _ending(record: TraceRecord) -> str:
    if record.outcome != "ok":
        return record.outcome if record.error is None else f"{record.outcome}: {record.error.type}"
    ends = [
        f"{a.finish_reason} ({a.stop_reason})" if a.stop_reason else str(a.finish_reason)
        for a in record.answers
    ]
    return ", ".join(_plain(end).plain for end in dict.fromkeys(ends))


def _content(content: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "prompt" in content:
        yield "prompt", _text(content["prompt"])
    for message in content.get("messages", ()):
        yield from _message(message, str(message.get("role", "?")))
    for message in content.get("output", ()):
        yield from _message(message, "output")


def _message(message: dict[str, Any], title: str) -> Iterator[tuple[str, str]]:
    if message.get("reasoning"):
        yield f"{title}: reasoning", message["reasoning"]
    if message.get("content"):
        yield title, _text(message["content"])
    for call in message.get("tool_calls", ()):
        yield f"{title}: tool call {call.get('name')}", _text(call.get("arguments"))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _section(out: Console, title: str, text: str) -> None:
    out.print()
    out.print(_plain(title), style="bold")
    out.print(_plain(text), soft_wrap=True)


def _plain(text: str) -> Text:
    return Text(text.translate(UNPRINTABLE))


def _seconds(duration_s: float | None) -> str:
    if duration_s is None:
        return "-"
    return f"{duration_s * 1000:.1f} ms" if duration_s < 1 else f"{duration_s:.2f} s"


def _time(since_1970_s: float, form: str) -> str:
    return datetime.fromtimestamp(since_1970_s).astimezone().strftime(form)
