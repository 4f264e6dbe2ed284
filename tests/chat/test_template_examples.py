"""The format's published examples, byte for byte."""

from flashstep.training.tokenizer import BOS
from flashstep.types import Message, ToolCall

WEATHER_CALLS = (
    ToolCall(
        "call_1",
        "get_weather",
        {"city": "Zürich", "days": 2, "opts": {"a": [1, 2]}, "flag": True, "n": None},
    ),
    ToolCall("call_2", "get_weather", {"city": "Oslo"}),
)
WEATHER_CALLS_TEXT = """<tool_call>
<function=get_weather>
<parameter=city>
Zürich
</parameter>
<parameter=days>
2
</parameter>
<parameter=opts>
{"a": [1, 2]}
</parameter>
<parameter=flag>
True
</parameter>
<parameter=n>
None
</parameter>
</function>
</tool_call><tool_call>
<function=get_weather>
<parameter=city>
Oslo
</parameter>
</function>
</tool_call>"""
PREAMBLE = """# Tools

You have access to the following functions in JSONSchema format:

<tools>
{"type": "function", "function": {"name": "get_weather", "description": "Weather", "parameters": \
{"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, \
"required": ["city"]}}}
</tools>

If you choose to call a function ONLY reply in the following format with NO suffix:

<tool_call>
<function=example_function_name>
<parameter=example_parameter_1>
value_1
</parameter>
<parameter=example_parameter_2>
This is the value for the second parameter
that can span
multiple lines
</parameter>
</function>
</tool_call>

<IMPORTANT>
Reminder:
- Function calls MUST follow the specified format: an inner <function=...>
...
</function> block must be nested within <tool_call>
...
</tool_call> XML tags
- Required parameters MUST be specified
</IMPORTANT>"""
OPEN = "<|im_start|>assistant\n<think>\n"


def test_example_a_system_and_user(template) -> None:
    messages = [Message("system", "You are terse."), Message("user", "Hi")]
    expected = f"{BOS}<|im_start|>system\nYou are terse.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n" + OPEN
    assert template.render(messages) == expected


def test_example_b_system_tools_and_user(template, weather_tool) -> None:
    messages = [Message("system", "You are terse."), Message("user", "Weather?")]
    expected = (
        f"{BOS}<|im_start|>system\nYou are terse.\n\n{PREAMBLE}<|im_end|>\n"
        "<|im_start|>user\nWeather?<|im_end|>\n" + OPEN
    )
    assert template.render(messages, [weather_tool]) == expected


def test_example_b_without_a_system_message_starts_with_the_preamble(template, weather_tool) -> None:
    text = template.render([Message("user", "Weather?")], [weather_tool])
    assert text.startswith(f"{BOS}<|im_start|>system\n{PREAMBLE}<|im_end|>\n<|im_start|>user\n")


def test_two_tools_take_one_line_each(template, weather_tool) -> None:
    text = template.render([Message("user", "Weather?")], [weather_tool, weather_tool])
    line = '{"type": "function", "function": {"name": "get_weather"'
    assert text.count("\n" + line) == 2
    assert text.count("}\n{") == 1


def test_example_c_drops_the_reasoning_of_an_earlier_turn(template) -> None:
    messages = [
        Message("user", "Hi"),
        Message("assistant", "Hello!", reasoning="greet"),
        Message("user", "Bye"),
    ]
    expected = (
        f"{BOS}<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello!<|im_end|>\n"
        "<|im_start|>user\nBye<|im_end|>\n" + OPEN
    )
    assert template.render(messages) == expected


def test_example_d_a_running_tool_loop_keeps_reasoning_and_prints_typed_arguments(template) -> None:
    messages = [
        Message("user", "Weather?"),
        Message("assistant", "Let me check.", reasoning="need weather", tool_calls=WEATHER_CALLS),
        Message("tool", '{"t":1}', tool_call_id="call_1"),
        Message("tool", '{"t":2}', tool_call_id="call_2"),
    ]
    expected = (
        f"{BOS}<|im_start|>user\nWeather?<|im_end|>\n"
        "<|im_start|>assistant\n<think>\nneed weather\n</think>\nLet me check."
        f"{WEATHER_CALLS_TEXT}<|im_end|>\n"
        '<|im_start|>tool_response\n<tool_response>{"t":1}</tool_response>'
        '<tool_response>{"t":2}</tool_response><|im_end|>\n' + OPEN
    )
    assert template.render(messages) == expected


def test_example_e_a_later_user_turn_removes_the_think_blocks(template) -> None:
    messages = [
        Message("user", "Weather?"),
        Message("assistant", "Let me check.", reasoning="need weather", tool_calls=WEATHER_CALLS[1:]),
        Message("tool", '{"t":1}'),
        Message("assistant", "Cold.", reasoning="it is cold"),
        Message("user", "Thanks"),
    ]
    expected = (
        f"{BOS}<|im_start|>user\nWeather?<|im_end|>\n"
        "<|im_start|>assistant\nLet me check.<tool_call>\n<function=get_weather>\n"
        "<parameter=city>\nOslo\n</parameter>\n</function>\n</tool_call><|im_end|>\n"
        '<|im_start|>tool_response\n<tool_response>{"t":1}</tool_response><|im_end|>\n'
        "<|im_start|>assistant\nCold.<|im_end|>\n<|im_start|>user\nThanks<|im_end|>\n" + OPEN
    )
    assert template.render(messages) == expected


def test_example_f_a_call_without_arguments_and_content(template) -> None:
    messages = [
        Message("user", "Ping"),
        Message("assistant", tool_calls=(ToolCall("call_1", "ping", {}),)),
    ]
    expected = (
        f"{BOS}<|im_start|>user\nPing<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n"
        "<tool_call>\n<function=ping>\n</function>\n</tool_call><|im_end|>\n"
    )
    assert template.render(messages, add_generation_prompt=False) == expected


def test_example_g_system_and_observation_in_the_middle(template) -> None:
    messages = [
        Message("user", "Hi"),
        Message("system", "note"),
        Message("system", "obs", name="observation"),
    ]
    expected = (
        f"{BOS}<|im_start|>user\nHi<|im_end|>\n<|im_start|>system\nnote<|im_end|>\n"
        "<|im_start|>observation\nobs<|im_end|>\n" + OPEN
    )
    assert template.render(messages) == expected
