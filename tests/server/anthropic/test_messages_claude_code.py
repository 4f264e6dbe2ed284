"""The requests that Claude Code sends: a probe, a count, a background call, and a turn with a tool."""

import json

import httpx

HEADERS = {
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14,fine-grained-tool-streaming-1",
    "anthropic-dangerous-direct-browser-access": "true",
    "user-agent": "claude-cli/2.1.0 (external, cli)",
    "x-app": "cli",
    "x-stainless-lang": "js",
    "x-stainless-retry-count": "0",
    "authorization": "Bearer none",
}
CACHED = {"cache_control": {"type": "ephemeral"}}
SYSTEM = [
    {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.0; cc_entrypoint=cli;"},
    {"type": "text", "text": "You are Claude Code, Anthropic's official CLI for Claude.", **CACHED},
    {"type": "text", "text": "Use the tools to work on the code.", **CACHED},
]
METADATA = {"user_id": '{"device_id":"0","account_uuid":"","session_id":"1"}'}
READ = (
    "I should look at the file.\n</think>\nI'll read it.\n<tool_call>\n<function=Read>\n"
    "<parameter=file_path>\n/src/main.py\n</parameter>\n<parameter=limit>\n10\n</parameter>\n</function>\n"
    "</tool_call>"
)
DONE = "It prints.\n</think>\nThe file prints hello."


def tool(name: str, **properties) -> dict:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}
    schema |= {"properties": properties, "required": list(properties)[:1], "additionalProperties": False}
    return {"name": name, "description": f"{name} things.\n\nUsage:\n- often", "input_schema": schema}


TOOLS = [
    *(tool(f"Tool{i}", value={"type": "string"}) for i in range(15)),
    tool("Bash", command={"type": "string"}, timeout={"type": "number", "minimum": 0}),
    tool("Read", file_path={"type": "string"}, limit={"type": "integer"}),
    {"type": "web_search_20250305", "name": "web_search", "max_uses": 8},
    tool("mcp__server__Write", file_path={"type": "string"}) | CACHED,
]


def post(served, path: str, **fields) -> httpx.Response:
    body = {"model": "step-3.5-flash", "metadata": METADATA} | fields
    response = served.server.post(body, f"{path}?beta=true", headers=HEADERS)
    assert response.status_code == 200, response.text
    return response


def turn(served, messages: list[dict]) -> list[dict]:
    """The content blocks of one streamed turn, built as the client builds them, and its stop reason."""
    response = post(
        served,
        "/v1/messages",
        messages=messages,
        system=SYSTEM,
        tools=TOOLS,
        max_tokens=32000,
        thinking={"type": "adaptive"},
        output_config={"effort": "medium"},
        context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        temperature=1,
        stream=True,
    )
    events = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]
    content: list[dict] = []
    for event in events:
        if event["type"] == "content_block_start":
            content.append(event["content_block"])
        elif event["type"] == "content_block_delta":
            (name, piece), *_ = [item for item in event["delta"].items() if item[0] != "type"]
            block = content[event["index"]]
            block[name] = block.get(name, "") + piece
    for block in content:
        if block["type"] == "tool_use":
            block["input"] = json.loads(block.pop("partial_json"))
    assert events[-1]["type"] == "message_stop"
    return [*content, events[-2]["delta"]["stop_reason"]]


def test_a_whole_turn_with_a_tool_call(scripted):
    reminder = {"type": "text", "text": "<system-reminder>\nBe careful.\n</system-reminder>"}
    question = {"type": "text", "text": "What does main.py do?", **CACHED}
    messages = [{"role": "user", "content": [reminder, question]}]
    with scripted([READ, DONE]) as served:
        *first, reason = turn(served, messages)
        call = first[-1]
        result = {"tool_use_id": call["id"], "type": "tool_result", "content": "1\tprint('hello')", **CACHED}
        messages += [{"role": "assistant", "content": first}, {"role": "user", "content": [result]}]
        *second, end = turn(served, messages)
    assert reason == "tool_use"
    assert [block["type"] for block in first] == ["thinking", "text", "tool_use"]
    assert (call["name"], call["input"]) == ("Read", {"file_path": "/src/main.py", "limit": 10})
    assert [block["type"] for block in second] == ["thinking", "text"]
    assert second[1]["text"] == "The file prints hello."
    assert end == "end_turn"
    prompt = served.prompts[1]
    assert "You are Claude Code" in prompt
    assert "mcp__server__Write" in prompt
    assert "<think>\nI should look at the file.\n</think>\nI'll read it." in prompt
    assert "<tool_response>1\tprint('hello')</tool_response>" in prompt
    assert "billing-header" not in prompt


def test_what_was_said_before_stays_the_beginning_of_the_next_prompt(scripted):
    """Else no turn of a tool loop would find its past in the prefix cache."""
    messages = [{"role": "user", "content": "What does main.py do?"}]
    with scripted([READ, DONE]) as served:
        *first, _ = turn(served, messages)
        result = {"tool_use_id": first[-1]["id"], "type": "tool_result", "content": "print"}
        turn(
            served,
            [*messages, {"role": "assistant", "content": first}, {"role": "user", "content": [result]}],
        )
    before, after = served.prompts
    assert after.startswith(before + READ)


def test_the_probe_with_one_token_is_answered(scripted):
    with scripted([DONE]) as served:
        answer = post(
            served, "/v1/messages", max_tokens=1, messages=[{"role": "user", "content": "quota"}]
        ).json()
    assert (answer["content"], answer["stop_reason"]) == ([], "max_tokens")
    assert answer["usage"]["output_tokens"] == 1


def test_background_calls_that_switch_thinking_off_get_text_alone(scripted):
    with scripted([DONE]) as served:
        answer = post(
            served,
            "/v1/messages",
            max_tokens=512,
            system=[{"type": "text", "text": "Write a short title."}],
            thinking={"type": "disabled"},
            temperature=1,
            tools=[],
            messages=[{"role": "user", "content": [{"type": "text", "text": "What does main.py do?"}]}],
        ).json()
    assert [block["type"] for block in answer["content"]] == ["text"]
    assert served.backend.requests[0].params.thinking_token_budget is not None


def test_tokens_are_counted_with_tools_and_thinking(scripted):
    with scripted([DONE]) as served:
        counted = post(
            served,
            "/v1/messages/count_tokens",
            messages=[{"role": "user", "content": "foo"}],
            tools=TOOLS,
            thinking={"type": "enabled", "budget_tokens": 1024},
        ).json()
    assert counted["input_tokens"] > 100
