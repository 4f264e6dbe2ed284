"""Reads the event stream of a response as an independent client would."""

import json
from typing import Any

import httpx
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

_EVENT = TypeAdapter(ResponseStreamEvent)
_TEXT = {
    "response.reasoning_text.delta": "content",
    "response.output_text.delta": "content",
    "response.function_call_arguments.delta": "arguments",
    "response.custom_tool_call_input.delta": "input",
}


def events_of(response: httpx.Response) -> list[dict[str, Any]]:
    """All events; each is checked against the SDK's types and numbered without gaps."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    events = []
    for block in response.text.removesuffix("\n\n").split("\n\n"):
        if block.startswith(":"):
            continue
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        _check(event)
        events.append(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def _check(event: dict[str, Any]) -> None:
    if (event.get("response", {}).get("error") or {}).get("code") == "context_length_exceeded":
        # The hosted service sends this code, agents look for it, and the SDK's list lacks it.
        event = {**event, "response": {**event["response"], "error": None}}
    assert _EVENT.validate_python(event).type == event["type"]


def folded(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The output that the deltas spell, without ids and states."""
    items: dict[int, dict[str, Any]] = {}
    for event in events:
        if event["type"] == "response.output_item.added":
            items[event["output_index"]] = dict(event["item"])
        elif event["type"] == "response.content_part.added":
            items[event["output_index"]]["content"] = dict(event["part"])
        elif field := _TEXT.get(event["type"]):
            item = items[event["output_index"]]
            assert item["id"] == event["item_id"]
            holder, key = (item["content"], "text") if field == "content" else (item, field)
            holder[key] += event["delta"]
    for item in items.values():
        if "content" in item:
            item["content"] = [item["content"]]
    return plain([items[index] for index in sorted(items)])


def plain(output: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Output items without what differs between two answers or between begin and end."""
    return [{k: v for k, v in item.items() if k not in ("id", "call_id", "status")} for item in output]


def names(events: list[dict[str, Any]]) -> list[str]:
    """The types of the events without their common prefix, neighbours that are equal given once."""
    short = [event["type"].removeprefix("response.") for event in events]
    return [name for i, name in enumerate(short) if i == 0 or name != short[i - 1]]
