"""Each rule of the chat format on its own, with raw wire messages where our types are narrower."""

from typing import Any

import pytest

from flashstep.chat.jinja_environment import CompiledTemplate, to_json
from flashstep.chat.template import builtin_template
from flashstep.errors import InvalidRequest
from flashstep.types import Message

USER = {"role": "user", "content": "Hi"}


def rendered(*messages: dict[str, Any], **variables: Any) -> str:
    """The built-in template's text for wire messages, without bos and generation prompt."""
    template = CompiledTemplate(builtin_template(), "built-in")
    return template.render({"messages": list(messages), "bos_token": "", **variables})


def assistant(*messages: dict[str, Any]) -> str:
    """The text of the first assistant turn behind one user message, without its frame."""
    text = rendered(USER, *messages)
    return text.split("<|im_start|>assistant\n")[1].split("<|im_end|>")[0]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, ""),
        ("as is  \n", "as is  \n"),
        ({"value": "v", "text": "t"}, "v"),
        ({"text": "t"}, "t"),
        ([{"type": "text", "text": "a"}, {"type": "text", "value": "b", "text": "c"}], "ab"),
        ([{"type": "image", "image": "x"}, {"type": "text", "text": "?"}], "<im_patch>?"),
        ([{"type": "audio", "text": "never"}, {"type": "text", "text": "t"}], "t"),
        ([], ""),
    ],
)
def test_content_may_be_text_an_object_or_parts(content: Any, expected: str) -> None:
    assert rendered({"role": "user", "content": content}) == f"<|im_start|>user\n{expected}<|im_end|>\n"


def test_bos_comes_first_exactly_once(template) -> None:
    text = template.render([Message("user", "Hi")])
    assert text.startswith("<｜begin▁of▁sentence｜><|im_start|>")
    assert text.count("<｜begin▁of▁sentence｜>") == 1


def test_no_system_turn_without_tools_and_system_message() -> None:
    assert "system" not in rendered(USER)


def test_an_empty_tool_list_is_no_tools() -> None:
    assert rendered(USER, tools=[]) == rendered(USER)


def test_an_empty_system_message_still_makes_a_turn() -> None:
    text = rendered({"role": "system", "content": ""}, USER)
    assert text.startswith("<|im_start|>system\n<|im_end|>\n")


def test_a_user_message_that_is_a_wrapped_tool_response_is_no_question() -> None:
    turns = ({"role": "assistant", "content": "B", "reasoning_content": "R"},)
    wrapped = {"role": "user", "content": "<tool_response>x</tool_response>"}
    assert assistant(*turns, wrapped) == "<think>\nR\n</think>\nB"
    wrapped["content"] += " "
    assert assistant(*turns, wrapped) == "B"


def test_without_any_question_every_assistant_turn_is_earlier() -> None:
    text = rendered({"role": "assistant", "content": "B", "reasoning_content": "R"})
    assert text == "<|im_start|>assistant\nB<|im_end|>\n"


def test_empty_reasoning_still_makes_a_block() -> None:
    assert assistant({"role": "assistant", "content": "B"}) == "<think>\n\n</think>\nB"
    assert assistant({"role": "assistant", "content": "B", "reasoning_content": ""}) == (
        "<think>\n\n</think>\nB"
    )


def test_reasoning_inside_the_content_is_found() -> None:
    turn = {"role": "assistant", "content": "x<think>\n\nR\n\n</think>\n\nB"}
    assert assistant(turn) == "<think>\nR\n</think>\nB"
    assert assistant(turn, USER) == "B"


def test_given_reasoning_wins_over_reasoning_inside_the_content() -> None:
    turn = {"role": "assistant", "content": "a</think>b", "reasoning_content": "R"}
    assert assistant(turn) == "<think>\nR\n</think>\na</think>b"


def test_our_messages_follow_the_same_rule_for_reasoning_inside_the_content(template) -> None:
    messages = [Message("user", "Hi"), Message("assistant", "<think>\nR\n\n</think>\n\nB</think>\nC")]
    text = template.render(messages, add_generation_prompt=False)
    assert text.endswith("<|im_start|>assistant\n<think>\nR\n</think>\nC<|im_end|>\n")


def test_tool_messages_share_one_turn_only_while_consecutive() -> None:
    tool = {"role": "tool", "content": "1"}
    text = rendered(USER, tool, tool, USER, tool)
    assert text.count("<|im_start|>tool_response\n") == 2
    assert "<tool_response>1</tool_response><tool_response>1</tool_response><|im_end|>\n" in text


def test_a_tool_message_shows_neither_id_nor_name() -> None:
    text = rendered(USER, {"role": "tool", "content": "1", "tool_call_id": "call_9", "name": "nine"})
    assert "call_9" not in text
    assert "nine" not in text


def test_calls_may_come_without_the_function_wrapper() -> None:
    call = {"name": "ping", "arguments": {"n": 1}}
    turn = assistant({"role": "assistant", "content": None, "tool_calls": [call]})
    assert turn.endswith(
        "<tool_call>\n<function=ping>\n<parameter=n>\n1\n</parameter>\n</function>\n</tool_call>"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('raw <b> "text"', 'raw <b> "text"'),
        ({"ü": "<é>"}, '{"ü": "<é>"}'),
        ([1, "a", None, True], '[1, "a", null, true]'),
        (True, "True"),
        (None, "None"),
        (1.5, "1.5"),
        ("", ""),
    ],
)
def test_an_argument_is_json_for_structures_and_python_text_otherwise(value: Any, text: str) -> None:
    call = {"function": {"name": "f", "arguments": {"k": value}}}
    turn = assistant({"role": "assistant", "content": "", "tool_calls": [call]})
    assert f"<parameter=k>\n{text}\n</parameter>\n</function>" in turn


def test_arguments_as_a_string_are_refused() -> None:
    call = {"function": {"name": "f", "arguments": '{"k": 1}'}}
    with pytest.raises(InvalidRequest, match="must be an object, not a string") as caught:
        rendered(USER, {"role": "assistant", "content": "", "tool_calls": [call]})
    assert caught.value.param == "messages"


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="unknown message role: critic"):
        rendered({"role": "critic", "content": ""})


def test_an_empty_conversation_is_refused(template) -> None:
    with pytest.raises(InvalidRequest, match="messages: the list is empty"):
        template.render([])


def test_the_generation_prompt_can_be_left_out(template) -> None:
    with_prompt = template.render([Message("user", "Hi")])
    without = template.render([Message("user", "Hi")], add_generation_prompt=False)
    assert with_prompt == without + "<|im_start|>assistant\n<think>\n"


def test_json_in_templates_is_plain_json() -> None:
    value = {"b": "<ü>&'", "a": [1, 2.5, None]}
    assert to_json(value) == '{"b": "<ü>&\'", "a": [1, 2.5, null]}'
    assert to_json(value, indent=1, sort_keys=True).startswith('{\n "a"')
