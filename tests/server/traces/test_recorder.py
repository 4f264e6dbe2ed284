"""Whatever happens in whatever order, a generation leaves exactly one record."""

import asyncio
import json
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flashstep.errors import BackendError, Overloaded, RateLimited
from flashstep.server.call import Call
from flashstep.server.generation import Generation
from flashstep.server.limits.drain import Stopped
from flashstep.server.traces.codec import shown_json
from flashstep.server.traces.reader import TraceReader
from flashstep.server.traces.record import TraceRecord
from flashstep.server.traces.recorder import TraceObserver
from flashstep.server.traces.redaction import Redaction
from flashstep.server.traces.writer import RecordWriter
from flashstep.types import (
    AnswerRule,
    Finish,
    LogprobsDelta,
    Message,
    ReasoningDelta,
    SamplingParams,
    TextDelta,
    Timings,
    Tool,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from server.traces.making_records import store

moments = st.none() | st.floats(0, 100)
timings = st.builds(Timings, moments, moments, moments, moments, st.integers(0, 99), st.integers(0, 99))
counts = st.integers(0, 10**6)
usages = st.builds(Usage, counts, counts, counts, counts)
finishes = st.builds(
    Finish,
    st.sampled_from(["stop", "length", "tool_calls", "abort", "error"]),
    usages,
    timings,
    st.none() | st.text(max_size=9),
    st.none() | st.text(max_size=9),
)
events = st.one_of(
    st.builds(ReasoningDelta, st.text(max_size=9)),
    st.builds(TextDelta, st.text(max_size=9)),
    st.builds(
        ToolCallDelta, st.integers(0, 2), st.none() | st.just("c"), st.none() | st.just("f"), st.text()
    ),
    st.just(LogprobsDelta(())),
    finishes,
)
ends = st.sampled_from(
    [None, asyncio.CancelledError(), GeneratorExit(), RuntimeError("a defect"), ValueError("\ud800")]
)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A writer with its store, and a reader."""
    path = tmp_path_factory.mktemp("traces") / "t.db"
    with closing(RecordWriter([store(path)], Redaction(["a"]))) as writer:
        yield writer, TraceReader(path)


@given(
    data=st.data(),
    n=st.integers(1, 3),
    error=ends,
    call_error=st.none() | st.just(RuntimeError("while sending")),
    status=st.sampled_from([200, 400, 499, 500, 503]),
    is_call_first=st.booleans(),
    keep_content=st.booleans(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_events_in_any_order_give_exactly_one_readable_record(
    kept, data, n, error, call_error, status, is_call_first, keep_content
):
    writer, reader = kept
    observer = TraceObserver(writer.put, loaded_model="m", keep_content=keep_content)
    request_id = f"chatcmpl-{data.draw(st.uuids())}"
    call = Call(f"{abs(hash(request_id)):032x}", "POST", "/v1/chat/completions", error=call_error)
    generation = Generation(
        endpoint="chat.completions",
        model="m",
        params=SamplingParams(stop=("x",)),
        messages=(Message("user", "hi"),),
        rule=AnswerRule(json_schema={}),
        n=n,
    )
    recorder = observer.begin(call, generation, request_id)
    for index, event in data.draw(st.lists(st.tuples(st.integers(0, n - 1), events), max_size=12)):
        recorder.event(index, event)

    def end_call() -> None:
        call.status = status
        for tell in call.on_end:
            tell()
        observer.call_ended(call)

    steps = [lambda: recorder.end(error), end_call]
    for step in reversed(steps) if is_call_first else steps:
        step()
    assert writer.flush(10)
    assert writer.stats().num_lost == writer.stats().num_dropped == 0
    (record,) = reader.trace(call.trace_id)
    assert record.request_id == request_id
    assert len(record.answers) == n
    assert (record.content is not None) == keep_content
    json.loads(shown_json(record))
    check_phases(record)


def check_phases(record: TraceRecord) -> None:
    """They cover the call without gaps."""
    phases = record.phases()
    assert phases[0].start_s == 0
    for left, right in zip(phases, phases[1:], strict=False):
        assert left.start_s <= left.end_s == right.start_s
    assert phases[-1].end_s >= record.total_s


def drafted(
    end: Finish | None, error: BaseException | None = None, status: int = 200, arrived_at: float = 0.0
) -> TraceRecord:
    """The record of one answer that ended so."""
    drafts = []
    observer = TraceObserver(drafts.append, loaded_model="m")
    call = Call("1" * 32, "POST", "/v1/chat/completions", arrived_at=arrived_at)
    generation = Generation(endpoint="chat.completions", model="m", params=SamplingParams())
    recorder = observer.begin(call, generation, "chatcmpl-1")
    recorder.event(0, TextDelta("hi"))
    if end is not None:
        recorder.event(0, end)
    recorder.end(error)
    call.status = status
    call.on_end[0]()
    (draft,) = drafts
    return draft.record()


@pytest.mark.parametrize(
    ("record", "outcome"),
    [
        (drafted(Finish("stop")), "ok"),
        (drafted(Finish("length", stop_reason="repetition")), "ok"),
        (drafted(Finish("stop"), GeneratorExit()), "ok"),
        (drafted(Finish("stop"), status=499), "disconnected"),
        (drafted(None, asyncio.CancelledError()), "disconnected"),
        (drafted(None, GeneratorExit()), "disconnected"),
        (drafted(None, RuntimeError("defect"), 500), "failed"),
        (drafted(Finish("error", error="out of blocks"), BackendError("out of blocks")), "failed"),
        (drafted(Finish("abort"), BackendError("aborted")), "failed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "record",
)
def test_the_outcome_tells_failures_from_clients_that_left(record, outcome):
    assert record.outcome == outcome
    assert (record.error is not None) == (outcome == "failed")


@pytest.mark.parametrize("arrived_at", [-1e9, 1e12], ids=["clock went back", "clock went ahead"])
def test_durations_do_not_follow_the_wall_clock(arrived_at):
    record = drafted(Finish("stop"), arrived_at=arrived_at)
    assert 0 <= record.marks.received_s <= record.marks.first_token_s <= record.total_s < 1000
    assert record.arrived_at == arrived_at


def test_tools_and_calls_count_into_the_memory_that_a_draft_holds():
    long = "x" * 1000
    call = ToolCall("c", "f", {"a": long})
    tool = Tool("f", "", {}, {"type": "function", "function": {"name": "f", "description": long}})
    messages = (Message("user", long), Message("assistant", "", reasoning=long, tool_calls=(call,)))
    asked = Generation(
        endpoint="chat.completions", model="m", params=SamplingParams(), messages=messages, tools=(tool,)
    )
    for keep_content, least in ((True, 4000), (False, 0)):
        drafts = []
        observer = TraceObserver(drafts.append, loaded_model="m", keep_content=keep_content)
        call = Call("t" * 32, "POST", "/", status=200)
        observer.begin(call, asked, "r").end(None)
        assert least <= drafts[0].num_chars <= least + 200 * keep_content


@pytest.mark.parametrize(
    ("error", "num_kept"),
    [(Overloaded("full"), 0), (RateLimited("slow", limit="tokens", retry_after_s=1), 0), (Stopped("end"), 1)],
    ids=["full", "limited", "stopped"],
)
@pytest.mark.parametrize("is_call_over", [False, True])
def test_only_what_was_refused_before_it_began_leaves_no_draft_of_a_generation(error, num_kept, is_call_over):
    asked = Generation(endpoint="completions", model="m", params=SamplingParams(), prompt="a")
    drafts, call = [], Call("t" * 32, "POST", "/")
    observer = TraceObserver(drafts.append, loaded_model="m")
    refused, sibling = (observer.begin(call, asked, f"r{i}") for i in range(2))
    ends = [lambda: refused.end(error), lambda: sibling.end(asyncio.CancelledError())]
    call.error = error
    for end in ends if not is_call_over else ():
        end()
    call.status = 503
    for tell in call.on_end:
        tell()
    assert call.is_generation == (is_call_over or num_kept > 0)
    for end in ends if is_call_over else ():
        end()
    assert len(drafts) == 2 * num_kept
