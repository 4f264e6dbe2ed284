"""`flashstep trace`: what happened to a call, and which calls failed or took long.

Reads the store beside the servers that write it. The records go to stdout, hints to stderr.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from flashstep.errors import FlashstepError, InvalidRequest
from flashstep.server.traces.record import plain_trace_id
from flashstep.server.traces.settings import default_store

if TYPE_CHECKING:
    from flashstep.server.traces.reader import TraceReader
    from flashstep.server.traces.record import TraceRecord

EPILOG = """\b
Examples:
  flashstep trace 4bf92f3577b34da6a3ce929d0e0e4736
  flashstep trace 4bf92f
  flashstep trace --last 20
  flashstep trace --failed
  flashstep trace --slow 2.5
  flashstep trace --last 100 --json
"""
_DEFAULT_LAST = 20


def trace(
    subject: Annotated[
        str | None,
        typer.Argument(
            metavar="ID|SECONDS",
            help="A trace id or enough of its beginning; with --slow a number of seconds.",
            show_default=False,
        ),
    ] = None,
    last: Annotated[
        int, typer.Option("--last", min=1, metavar="N", help="List at most so many records.")
    ] = _DEFAULT_LAST,
    is_failed: Annotated[bool, typer.Option("--failed", help="List only what failed.")] = False,
    is_slow: Annotated[
        bool, typer.Option("--slow", help="List the answers that took longest, from SECONDS on if given.")
    ] = False,
    is_json: Annotated[bool, typer.Option("--json", help="One JSON object a record, for programs.")] = False,
    store: Annotated[
        Path | None,
        typer.Option(
            "--trace-store", "--store", help="The file to read; your state folder's when not given."
        ),
    ] = None,
) -> None:
    """Show the record of a call under its trace id, or list records. The id is in the header X-Trace-Id
    of each response, in each error and in each log line."""
    from flashstep.server.traces.reader import TraceReader

    if is_failed and (is_slow or subject is not None):
        raise InvalidRequest("--failed lists what failed; leave the other choices out")
    reader = TraceReader(store or default_store())
    if is_slow:
        records = reader.slow(last, min_s=_parse_seconds(subject))
    elif subject is not None:
        records = _find(reader, subject)
    elif is_failed:
        records = reader.failed(last)
    else:
        records = reader.last(last)
    _print(records, is_json=is_json, is_list=is_slow or subject is None)


def _parse_seconds(text: str | None) -> float:
    try:
        return 0.0 if text is None else float(text)
    except ValueError as error:
        raise InvalidRequest(
            f"--slow {text!r}: not a number of seconds, as in `flashstep trace --slow 2.5`"
        ) from error


def _find(reader: "TraceReader", given: str) -> "list[TraceRecord]":
    from flashstep.server.traces.reader import MAX_MATCHES

    wanted = plain_trace_id(given)
    records = reader.trace(wanted)
    if records:
        return records
    ids = reader.ids(wanted)
    if len(ids) == 1:
        return reader.trace(ids[0])
    if ids:
        more = " or more" if len(ids) == MAX_MATCHES else ""
        raise FlashstepError(f"{len(ids)}{more} traces begin with {given!r}: {', '.join(ids)}")
    raise FlashstepError(
        f"there is no trace {given!r}; `serve` keeps a record once the answer has ended, for as long as age "
        "and size allow. `flashstep trace --last 20` lists what is there, --trace-store names another file"
    )


def _print(records: "list[TraceRecord]", *, is_json: bool, is_list: bool) -> None:
    if is_json:
        from flashstep.server.traces.codec import shown_json

        for record in records:
            typer.echo(shown_json(record))
        return
    from flashstep.cli.trace_view import listing, print_record

    out = Console(highlight=False)
    if not is_list:
        for record in records:
            print_record(out, record)
    elif records:
        out.print(listing(out, records))
    else:
        Console(stderr=True).print("no such records", style="dim")
