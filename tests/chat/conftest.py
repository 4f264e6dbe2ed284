"""A small tokenizer of the official shape, its folder with our template, and one declared tool."""

from pathlib import Path

import pytest

from flashstep.chat.template import ChatTemplate, builtin_template
from flashstep.chat.tokenizer import Tokenizer
from flashstep.training.tokenizer import save_tokenizer, train_tokenizer
from flashstep.types import Tool

CORPUS = (
    "You are terse. Weather in Zürich? need weather. Let me check. Hello! Bye",
    '<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n</function>\n{"type": "object"}',
    "今日は東京の天気です 🎉 1 2 3 4 5 6 7 8 9 0",
)


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """A checkpoint folder with tokenizer.json, tokenizer_config.json and chat_template.jinja."""
    path = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(train_tokenizer(CORPUS * 3, 420), path, builtin_template())
    return path


@pytest.fixture(scope="session")
def tokenizer(folder) -> Tokenizer:
    """Control tokens at 0-5, markers at 6-11, then bytes and a few merges."""
    return Tokenizer.load(folder)


@pytest.fixture(scope="session")
def template(folder, tokenizer) -> ChatTemplate:
    """Our own template."""
    return ChatTemplate.load(folder, tokenizer)


@pytest.fixture(scope="session")
def weather_tool() -> Tool:
    """The tool of the format's example B."""
    parameters = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    }
    function = {"name": "get_weather", "description": "Weather", "parameters": parameters}
    return Tool("get_weather", "Weather", parameters, {"type": "function", "function": function})
