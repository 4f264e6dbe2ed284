"""The requests of a coding agent as it sends them: a whole turn with a tool call and its follow-up."""

import pytest

from server.responses.response_events import events_of

PATH = "/v1/responses"
LARK = (
    'start: begin_patch hunk+ end_patch\nbegin_patch: "*** Begin Patch" LF\nend_patch: "*** End Patch" LF?\n'
)
PATCH = "*** Begin Patch\n*** Update File: a.py\n@@\n-x = 1\n+x = 2\n*** End Patch"
APPLY = (
    "The file must change.\n</think>\nI change it.\n<tool_call>\n<function=apply_patch>\n<parameter=input>\n"
    f"{PATCH}\n</parameter>\n</function>\n</tool_call>"
)
DONE = "It worked.\n</think>\nx is 2 now."
TOOLS = [
    {
        "type": "function",
        "name": "exec_command",
        "description": "Runs a command.",
        "strict": False,
        "parameters": {
            "type": "object",
            "properties": {"cmd": {"type": "string"}, "yield_time_ms": {"type": "number"}},
            "required": ["cmd"],
            "additionalProperties": False,
        },
    },
    {
        "type": "custom",
        "name": "apply_patch",
        "description": "Edits files.",
        "format": {"type": "grammar", "syntax": "lark", "definition": LARK},
    },
    {"type": "web_search", "external_web_access": False},
    {"type": "image_generation", "output_format": "png"},
    {"type": "tool_search", "execution": "client", "parameters": {"type": "object"}},
    {
        "type": "namespace",
        "name": "mcp__docs",
        "tools": [{"type": "function", "name": "find", "parameters": {"type": "object"}}],
    },
]


def said(role: str, text: str) -> dict:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


OPENING = [
    said("developer", "<permissions>read and write</permissions>"),
    said("user", "<environment_context><cwd>/app</cwd></environment_context>"),
    said("user", "Set x to 2 in a.py."),
]


def turn(items: list[dict], **fields) -> dict:
    return {
        "model": "step-3.5-flash",
        "instructions": "You are a coding agent.",
        "input": items,
        "tools": TOOLS,
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning": {"effort": "medium", "summary": "auto"},
        "store": False,
        "stream": True,
        "include": ["reasoning.encrypted_content"],
        "service_tier": "auto",
        "prompt_cache_key": "0199-session",
        "text": {"verbosity": "medium"},
        "client_metadata": {"x-installation-id": "42"},
    } | fields


def test_a_whole_turn_with_a_patch_and_its_follow_up(scripted):
    with scripted([APPLY, DONE]) as service:
        first = service.server.post(turn(OPENING), path=PATH)
        events = events_of(first)
        done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
        [call] = [item for item in done if item["type"] == "custom_tool_call"]
        result = {
            "type": "custom_tool_call_output",
            "call_id": call["call_id"],
            "output": '{"output": "Success"}',
        }
        last = events_of(service.server.post(turn([*OPENING, *done, result]), path=PATH))[-1]
    assert call["name"] == "apply_patch"
    assert call["input"] == PATCH
    assert [item["type"] for item in done] == ["reasoning", "message", "custom_tool_call"]
    assert last["type"] == "response.completed"
    assert last["response"]["output"][-1]["content"][0]["text"] == "x is 2 now."
    opening, follow_up = service.prompts
    assert opening.index("You are a coding agent.") < opening.index("<permissions>") < opening.index("/app")
    assert follow_up.startswith(opening + "The file must change.\n</think>\nI change it.")
    assert PATCH in follow_up
    assert "Success" in follow_up


def test_tools_of_hosted_services_are_left_out_with_a_warning(scripted):
    with scripted([DONE]) as service:
        response = service.server.post(turn(OPENING), path=PATH)
        echoed = events_of(response)[0]["response"]["tools"]
    warning = response.headers["X-Flashstep-Warning"]
    assert "image_generation, namespace, tool_search, web_search" in warning
    assert [tool["name"] for tool in echoed] == ["exec_command", "apply_patch"]
    assert "begin_patch hunk+ end_patch" in service.prompts[0]
    assert "mcp__docs" not in service.prompts[0]


@pytest.mark.parametrize("limit", [1, 16])
@pytest.mark.parametrize("stream", [False, True])
def test_probes_with_empty_input_are_answered_in_a_controlled_way(scripted, stream, limit):
    probe = {"model": "step-3.5-flash", "max_output_tokens": limit, "stream": stream}
    with scripted([DONE]) as service:
        text = service.server.post(probe | {"input": ""}, path=PATH)
        instructed = service.server.post(probe | {"input": [], "instructions": "You help."}, path=PATH)
        nothing = service.server.post(probe | {"input": []}, path=PATH)
        absent = service.server.post(probe, path=PATH)
    assert [text.status_code, instructed.status_code] == [200, 200]
    for refused in (nothing, absent):
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] == "input"


def test_a_command_in_parallel_with_another_and_their_outputs(scripted):
    def command(text: str) -> str:
        return (
            f"<tool_call>\n<function=exec_command>\n<parameter=cmd>\n{text}\n</parameter>\n</function>\n"
            "</tool_call>"
        )

    answer = f"Look around.\n</think>\n{command('ls')}{command('pwd')}"
    with scripted([answer, DONE]) as service:
        output = events_of(service.server.post(turn(OPENING), path=PATH))[-1]["response"]["output"]
        results = [
            {"type": "function_call_output", "call_id": item["call_id"], "output": f"out {i}"}
            for i, item in enumerate(output[1:])
        ]
        events_of(service.server.post(turn([*OPENING, *output, *results]), path=PATH))
    assert [item["arguments"] for item in output[1:]] == ['{"cmd": "ls"}', '{"cmd": "pwd"}']
    assert service.prompts[1].startswith(service.prompts[0] + answer)
    assert "<tool_response>out 0</tool_response><tool_response>out 1</tool_response>" in service.prompts[1]
