"""Messages and tools -> prompt text and token ids, through the checkpoint's Jinja template.

Control tokens that the template prints become control tokens. Text in a message, a tool or an argument
that merely spells one is guarded: before rendering it is marked with a private-use character that occurs
nowhere else, and the mark is removed again before encoding, so it stays plain text, byte for byte.
Format: section comments in step35.jinja. Does not decode JSON strings: `arguments` are objects here.
"""

from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from flashstep.chat.added_tokens import AddedTokens
from flashstep.chat.jinja_environment import CompiledTemplate
from flashstep.chat.markers import THINK_END, THINK_START
from flashstep.chat.tokenizer import Tokenizer, read_json
from flashstep.errors import ConfigError, InvalidRequest
from flashstep.types import Message, Tool

_PRIVATE_USE = range(0xF0000, 0xFFFFE)


def builtin_template() -> str:
    """The text of our own chat template."""
    return (files("flashstep.chat") / "step35.jinja").read_text(encoding="utf-8")


class ChatTemplate:
    """A template bound to the tokenizer whose control tokens it prints."""

    def __init__(self, source: str, tokenizer: Tokenizer, origin: str = "chat template") -> None:
        """ConfigError when `source` does not compile; `origin` is named in that message."""
        self._template = CompiledTemplate(source, origin)
        self._tokenizer = tokenizer

    @classmethod
    def load(cls, path: Path, tokenizer: Tokenizer) -> "ChatTemplate":
        """The template of the checkpoint folder `path`: chat_template.jinja, else the `chat_template` of
        tokenizer_config.json, else our own. ConfigError when it does not compile."""
        file = path / "chat_template.jinja"
        if file.is_file():
            return cls(_text_of(file), tokenizer, str(file))
        config = path / "tokenizer_config.json"
        source = (read_json(config) or {}).get("chat_template")
        if source is None:
            return cls(builtin_template(), tokenizer)
        if isinstance(source, list):  # several named templates
            named = (entry for entry in source if isinstance(entry, dict))
            source = next((entry.get("template") for entry in named if entry.get("name") == "default"), None)
        if not isinstance(source, str):
            raise ConfigError(f"{config}: chat_template is neither a text nor a list with a default one")
        return cls(source, tokenizer, str(config))

    def render(
        self, messages: Sequence[Message], tools: Sequence[Tool] = (), *, add_generation_prompt: bool = True
    ) -> str:
        """The prompt as text. InvalidRequest when there are no messages or the template refuses them."""
        guard, text = self._render_guarded(messages, tools, add_generation_prompt)
        return guard.remove(text)

    def encode(
        self, messages: Sequence[Message], tools: Sequence[Tool] = (), *, add_generation_prompt: bool = True
    ) -> list[int]:
        """The prompt as token ids; only the template's own control tokens are control tokens.

        InvalidRequest when there are no messages or the template refuses them.
        """
        guard, text = self._render_guarded(messages, tools, add_generation_prompt)
        tokenizer = self._tokenizer
        ids: list[int] = []
        for piece, is_control in guard.split(text):
            if is_control:
                ids.append(tokenizer.added_tokens.ids[piece])
            else:
                ids.extend(tokenizer.encode_plain(piece))
        return ids

    def _render_guarded(
        self, messages: Sequence[Message], tools: Sequence[Tool], add_generation_prompt: bool
    ) -> tuple["_Guard", str]:
        if not messages:
            raise InvalidRequest("messages: the list is empty; send at least one message", param="messages")
        try:
            guard, text = self._render_wire(
                [_wire_message(message) for message in messages],
                [tool.wire for tool in tools],
                add_generation_prompt,
            )
            text.encode()
        except UnicodeEncodeError as error:
            half = error.object[error.start]
            raise InvalidRequest(
                f"messages: {half!r} is half of a surrogate pair, not a character; send valid Unicode",
                param="messages",
            ) from error
        except RecursionError as error:
            raise InvalidRequest(
                "messages: tool arguments or a tool's schema are nested too deeply; flatten them",
                param="messages",
            ) from error
        return guard, text

    def _render_wire(
        self, messages: list[dict[str, Any]], tools: list[dict[str, Any]], add_generation_prompt: bool
    ) -> tuple["_Guard", str]:
        guard = _Guard(self._tokenizer.added_tokens, [self._template.source, messages, tools])
        text = self._template.render(
            {
                "messages": _map_strings(messages, guard.mark),
                # Absent, not empty: some templates only ask whether tools are given.
                "tools": _map_strings(tools, guard.mark) or None,
                "add_generation_prompt": add_generation_prompt,
                "bos_token": self._tokenizer.bos_token,
                "eos_token": self._tokenizer.eos_token,
            }
        )
        return guard, text


class _Guard:
    """Marks added tokens inside contents with two characters that occur nowhere in the inputs.

    `after` follows a token at the very start of a string, `before` precedes every other one, so that a
    template that asks how a content starts or ends still sees it.
    """

    def __init__(self, added: AddedTokens, inputs: Any) -> None:
        self._added = added
        used = set().union(*map(set, _strings(inputs)))
        free = (chr(code) for code in _PRIVATE_USE if chr(code) not in used)
        self._before, self._after = next(free), next(free)

    def mark(self, text: str) -> str:
        """`text` with its added tokens marked as plain."""
        return self._added.pattern.sub(
            lambda m: m.group() + self._after if m.start() == 0 else self._before + m.group(), text
        )

    def remove(self, text: str) -> str:
        """`text` without marks."""
        return text.replace(self._before, "").replace(self._after, "")

    def split(self, text: str) -> Iterator[tuple[str, bool]]:
        """Cut marked text into (unmarked piece, is it a control token?); plain neighbours stay joined."""
        start = 0
        for match in self._added.pattern.finditer(text):
            if text.startswith(self._before, max(match.start() - 1, 0)):
                continue
            if text.startswith(self._after, match.end()):
                continue
            plain = self.remove(text[start : match.start()])
            if plain:
                yield plain, False
            yield match.group(), True
            start = match.end()
        rest = self.remove(text[start:])
        if rest:
            yield rest, False


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8 text: {error}") from error


def _wire_message(message: Message) -> dict[str, Any]:
    """The message as templates expect it; what is absent is left out."""
    reasoning, content = message.reasoning, message.content
    if message.role == "assistant" and reasoning is None and THINK_END in content:
        reasoning, content = _split_reasoning(content)
    wire: dict[str, Any] = {"role": message.role, "content": content}
    if reasoning is not None:
        wire["reasoning_content"] = reasoning
    if message.tool_calls:
        wire["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
            for c in message.tool_calls
        ]
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        wire["name"] = message.name
    return wire


def _split_reasoning(content: str) -> tuple[str, str]:
    """An assistant's text with its thinking inside, cut by the template's rule.

    Done here because the markers are about to be guarded, so that no template could find them.

    >>> _split_reasoning("<think>\\nhm\\n</think>\\n\\nYes")
    ('hm', 'Yes')
    """
    head = content.split(THINK_END)[0].rstrip("\n")
    return head.split(THINK_START)[-1].lstrip("\n"), content.split(THINK_END)[-1].lstrip("\n")


def _map_strings(value: Any, change: Callable[[str], str]) -> Any:
    """`value` (JSON-like) with every string in it, keys included, changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {_map_strings(key, change): _map_strings(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_map_strings(item, change) for item in value]
    return value


def _strings(value: Any) -> Iterator[str]:
    """Every string in a JSON-like value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(key)
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)
