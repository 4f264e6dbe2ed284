"""Records to JSON text and back, and the object that a caller gets.

Written JSON is strict: no NaN, no half surrogate pairs.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter

from flashstep.server.traces.record import TraceRecord

_ADAPTER = TypeAdapter(TraceRecord)


def record_json(record: TraceRecord) -> str:
    """Everything but the content."""
    return json_text({k: v for k, v in asdict(replace(record, content=None)).items() if k != "content"})


def json_text(value: Any) -> str:
    """Compact JSON. A number that JSON does not know becomes its name as a string, half a surrogate
    pair a question mark."""
    text = json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace").decode()


def record_from_json(record: str, content: str | None) -> TraceRecord:
    """The record that was written. Raises ValueError for text that is none."""
    values = json.loads(record)
    values["content"] = None if content is None else json.loads(content)
    return _ADAPTER.validate_python(values)


class Trace(BaseModel):
    """What a caller gets: the records of one trace id, in the order in which they ended. Each has also
    what follows from it, `usage` of all answers together and its `phases`."""

    object: Literal["trace"] = "trace"
    trace_id: str
    records: list[TraceRecord]


def trace_object(trace_id: str, records: Sequence[TraceRecord]) -> dict[str, Any]:
    """A `Trace` as JSON values."""
    return {
        "object": "trace",
        "trace_id": trace_id,
        "records": [json.loads(shown_json(record)) for record in records],
    }


def shown_json(record: TraceRecord) -> str:
    """One record with what follows from it."""
    usage = record.usage
    return json_text(
        {
            **asdict(record),
            "usage": None if usage is None else asdict(usage),
            "phases": [asdict(phase) for phase in record.phases()],
        }
    )


def _finite(value: Any) -> Any:
    match value:
        case dict():
            return {str(key): _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
        case float() if not math.isfinite(value):
            return repr(value)
    return value
