"""A model that behaves like an agent's: it calls the first tool it is shown, then answers with the result.

Played by the scripted backend, so that clients' own loops (call, result, answer) can be driven without
depending on the skill of any weights.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from flashstep.backends.chat_model import ChatModel
from flashstep.backends.scripted import ScriptedBackend
from flashstep.chat.template import ChatTemplate, builtin_template
from flashstep.chat.tokenizer import Tokenizer

_TOOLS = re.compile(r"<tools>\n(.*?)\n</tools>", re.DOTALL)
_RESULT = re.compile(r"<tool_response>\n?(.*?)\n?</tool_response>", re.DOTALL)
_SAMPLES: dict[str, Any] = {
    "string": "Paris",
    "integer": 3,
    "number": 1.5,
    "boolean": True,
    "array": [],
    "object": {},
}


def answer(prompt: str) -> str:
    """What the model says to a rendered prompt."""
    last_turn = prompt.rpartition("<|im_start|>assistant")[0]
    last_user = last_turn.rfind("<|im_start|>user")
    results = _RESULT.findall(last_turn[max(last_user, 0) :])
    tools = _TOOLS.search(prompt)
    if results:
        return f"The tool has answered.\n</think>\nIt says: {results[-1]}"
    if tools:
        return f"A tool can tell.\n</think>\n{_call(json.loads(tools[1].splitlines()[0]))}"
    return "There is nothing to look up.\n</think>\nHello there, how are you today?"


def model(
    tokenizer: Tokenizer, answer: Callable[[str], str] = answer, context_length: int = 100_000, **options: Any
) -> ChatModel:
    """A chat model that plays `answer`."""
    backend = ScriptedBackend(
        tokenizer, answer, model_name="flashstep-nano", context_length=context_length,
        tokens_per_output=3, **options,
    )  # fmt: skip
    return ChatModel(backend, tokenizer, ChatTemplate(builtin_template(), tokenizer), frozenset())


def _call(tool: dict[str, Any]) -> str:
    function = tool.get("function", tool)
    properties = function.get("parameters", {}).get("properties", {})
    parameters = "".join(
        f"<parameter={name}>\n{_text(schema)}\n</parameter>\n" for name, schema in properties.items()
    )
    return f"<tool_call>\n<function={function['name']}>\n{parameters}</function>\n</tool_call>"


def _text(schema: dict[str, Any]) -> str:
    value = schema["enum"][0] if "enum" in schema else _SAMPLES[schema.get("type", "string")]
    return value if isinstance(value, str) else json.dumps(value)
