"""Records and drafts to fill a store with."""

from dataclasses import dataclass
from pathlib import Path

from flashstep.server.traces.record import AnswerEnd, Marks, TraceRecord
from flashstep.server.traces.store import TraceStore
from flashstep.types import Usage


def record(number: int = 1, **values) -> TraceRecord:
    """A finished generation, told apart by its number, changed by `values`."""
    defaults = {
        "trace_id": f"{number:032x}",
        "request_id": f"chatcmpl-{number}",
        "endpoint": "chat.completions",
        "arrived_at": 1_800_000_000.0 + number,
        "total_s": 1.0,
        "status": 200,
        "outcome": "ok",
        "model": "step-3.5-flash",
        "loaded_model": "flashstep-nano",
        "marks": Marks(
            received_s=0.01, admitted_s=0.1, first_token_s=0.3, reasoning_end_s=0.6, last_token_s=0.9
        ),
        "answers": (AnswerEnd(finish_reason="stop", usage=Usage(12, 7, 4, 8)),),
        "content": {"messages": [{"role": "user", "content": f"question {number}"}], "output": []},
    }
    return TraceRecord(**(defaults | values))


@dataclass
class Drafted:
    """A draft whose record is there already."""

    made: TraceRecord
    num_chars: int = 10

    def record(self) -> TraceRecord:
        return self.made


def store(path: Path, *, max_days: float = 36_500.0, max_bytes: int = 1 << 30) -> TraceStore:
    """A store that keeps everything unless told otherwise."""
    return TraceStore(path, max_days=max_days, max_bytes=max_bytes)
