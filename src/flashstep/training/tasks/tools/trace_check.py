"""Is the reasoning of a turn the way to it? Calls and answers are made again from the trace alone."""

import itertools
import json
import re
from collections.abc import Sequence
from typing import Any

from flashstep.training.tasks.dialogue import Dialogue, same_calls
from flashstep.training.tasks.tools.judge import NO_TOOL, says
from flashstep.training.tasks.tools.marks import Marks, has_words, marks_of_words
from flashstep.training.tasks.tools.summary import summary
from flashstep.training.tasks.tools.trace import parameter_lines, quote, verdict
from flashstep.types import Message, Tool, ToolCall

_VALUE = r'("(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?)'
# A line on a result: "price: 4.5", "Result 2: price: 4.5, status: "ok"".
_RESULT = re.compile(rf"(?:Result \d+: )?[\w ]+: {_VALUE}(?:, [\w ]+: {_VALUE})*")
_ERROR = re.compile(r"^Error: (.*?)\. (?:No second try helps|The same again|Again with)", re.MULTILINE)
_MARK = re.compile(r"[+*#]")
# A parameter that a tool takes: "guests? number".
_PARAMETER = re.compile(r"[\w-]+\?(?: |$)")
# What is asked for; verb and noun in it, with their marks.
_ASKED = re.compile(r"(?:Asked|(?:Call|Step) \d+): (.*)\.")
_PHRASES = re.compile(r"(?:(.+)\+ )?(?:(?:the|an?|my|our) )?(?:(.+)([*#]))?.*")
# A family whose tools fit by what they mean; of the others a tool fits when it has all that is marked.
_BY_MEANING = "tool_everyday"
_CHANGE = re.compile(r"^Error: .*\. Again with (\w+): (.*)$", re.MULTILINE)


def check_trace(dialogue: Dialogue, turn: int, message: Message) -> bool:
    """True when the reasoning of `message`, in the place of `dialogue.messages[turn]`, gives its calls, or
    the values of its answer, and takes them from the turns before. The trace of a question that needs no
    tool is the business of that question's family; it counts as right."""
    if dialogue.truth(turn).family:
        return True
    reasoning = message.reasoning or ""
    given = "\n".join(m.content for m in dialogue.messages[:turn])
    by_meaning = dialogue.family == _BY_MEANING
    is_asked = _asks_what_is_given(reasoning, given, by_meaning=by_meaning)
    if any(error not in given for error in _errors(reasoning)) or not is_asked:
        return False
    verdicts = _verdicts(reasoning, dialogue.tools, by_meaning=by_meaning)
    if message.tool_calls:
        return _is_well_chosen(reasoning, verdicts) and _explains_calls(
            reasoning, given, message.tool_calls, dialogue.tools
        )
    if reasoning.endswith("No tool fits."):
        is_refused = all(fits is False for _, fits in verdicts)
        are_all = {name for name, _ in verdicts} == {tool.name for tool in dialogue.tools}
        return is_refused and are_all and NO_TOOL in message.content
    return _explains_words(reasoning, given, message.content)


def traced_calls(reasoning: str, tools: Sequence[Tool]) -> list[ToolCall]:
    """The calls that a trace spells: a tool's name alone or behind a number, then its arguments."""
    schemas = {tool.name: tool.parameters["properties"] for tool in tools}
    calls: list[ToolCall] = []
    for line in reasoning.split("\n"):
        key, _, value = line.partition(": ")
        name = re.sub(r"^Call #\d+: ", "", line)
        if name in schemas:
            calls.append(ToolCall("", name, {}))
        elif calls and key in schemas[calls[-1].name]:
            calls[-1].arguments[key] = _read(value)
    return calls


def _explains_calls(reasoning: str, given: str, made: Sequence[ToolCall], tools: Sequence[Tool]) -> bool:
    """The trace spells these calls, with words and strings that were given and the change that it announces."""
    calls = traced_calls(reasoning, tools)
    quoted = [line.removeprefix(quote("")) for line in reasoning.split("\n") if line.startswith(quote(""))]
    if not all(words in given for words in quoted) or not _lists_parameters(reasoning, tools):
        return False
    schemas = {tool.name: tool.parameters["properties"] for tool in tools}
    if not same_calls(calls, made) or not all(
        _is_given(value, given) or _is_option(schemas[call.name][key], value)
        for call in calls for key, value in call.arguments.items()
    ):  # fmt: skip
        return False
    return all(calls[0].arguments.get(key) == _read(value) for key, value in _CHANGE.findall(reasoning))


def _is_option(schema: dict[str, Any], value: Any) -> bool:
    """True for an option, which may be meant by other words: "close the ticket" sets the state "closed"."""
    return value in schema.get("enum", ())


def _asks_what_is_given(reasoning: str, given: str, *, by_meaning: bool) -> bool:
    """What the trace says is asked for, and the values that it numbers, stand in the text; by meaning the words
    one by one."""
    lines, text = reasoning.split("\n"), given.lower()
    phrases = [found[1] for line in lines if (found := _ASKED.fullmatch(line))]
    if by_meaning and not all(_is_said(_MARK.sub("", phrase), given) for phrase in phrases):
        return False
    asked = [] if by_meaning else phrases
    numbered = [_read(value) for line in lines for value in re.findall(f"#\\d+ {_VALUE}", line)]
    return all(_MARK.sub("", words).lower() in text for words in asked) and all(
        str(value) in given for value in numbered
    )


def _is_said(phrase: str, given: str) -> bool:
    """True when there are words, each of which stands in the text by itself."""
    return bool(phrase.strip()) and all(has_words(given, word) for word in phrase.split())


def _lists_parameters(reasoning: str, tools: Sequence[Tool]) -> bool:
    """Where a tool's parameters are listed behind its name, they are all of them, as they are declared."""
    listed: dict[str, list[str]] = {}
    name = ""
    for line in reasoning.split("\n"):
        if _PARAMETER.match(line):
            listed.setdefault(name, []).append(line)
        else:
            name = line
    takes = {tool.name: parameter_lines(tool) for tool in tools}
    return all(takes.get(name) == lines for name, lines in listed.items())


def _explains_words(reasoning: str, given: str, content: str) -> bool:
    """The trace ends with an error that the answer reports, or it reads values from results that the answer
    has."""
    if reasoning.startswith("Error: "):
        return all(error in content for error in _errors(reasoning))
    values = _result_values(reasoning.removeprefix("All done.\n").split("\n"))
    return bool(values) and all(value in given and says(content, value) for value in values)


# Of a line on a tool: the tool's name, and whether it fits; None = the line is not true of any tool.
Verdict = tuple[str, bool | None]


def _is_well_chosen(reasoning: str, verdicts: Sequence[Verdict]) -> bool:
    """Every line on a tool is true of it, and the one that fits is named next."""
    lines, left = reasoning.split("\n"), iter(verdicts)
    for line, after in itertools.pairwise(lines):
        if line.startswith("- "):
            name, fits = next(left)
            if fits is None or fits != (after == name):
                return False
    return not lines[-1].startswith("- ")


def _verdicts(reasoning: str, tools: Sequence[Tool], *, by_meaning: bool) -> list[Verdict]:
    verdicts: list[Verdict] = []
    marks: Marks = {}
    for line in reasoning.split("\n"):
        if asked := _ASKED.fullmatch(line):
            marks = marks_of_words(_MARK.sub("", asked[1])) if by_meaning else _marks_of_phrases(asked[1])
        elif line.startswith("- "):
            verdicts.append(_verdict(line, marks, tools, by_meaning=by_meaning))
    return verdicts


def _marks_of_phrases(task: str) -> Marks:
    """Verb and noun with their marks."""
    found = _PHRASES.fullmatch(task)
    assert found  # every group of it may be missing
    return {words: mark for words, mark in ((found[2], found[3]), (found[1], "+")) if words}


def _verdict(line: str, marks: Marks, tools: Sequence[Tool], *, by_meaning: bool) -> Verdict:
    for tool in tools:
        for fits in (True, False):
            if line == verdict(tool, marks, fits=fits):
                has_all = all(has_words(summary(tool), words) for words in marks)
                return tool.name, fits if by_meaning or fits == has_all else None
    return "", None


def _errors(reasoning: str) -> list[str]:
    """The errors that a trace quotes; the whole trace where it quotes one in another manner."""
    errors = _ERROR.findall(reasoning)
    return errors if len(errors) == reasoning.count("Error: ") else [reasoning]


def _result_values(lines: Sequence[str]) -> list[str]:
    """The values that lines on results have; none when one of them is no such line."""
    if not all(_RESULT.fullmatch(line) for line in lines):
        return []
    return [str(json.loads(value)) for line in lines for value in re.findall(f": {_VALUE}", line)]


def _read(text: str) -> Any:
    """A value as trace.shown writes it; the text itself when it is none."""
    try:
        return json.loads({"True": "true", "False": "false"}.get(text, text))
    except ValueError:
        return text


def _is_given(value: Any, given: str) -> bool:
    """True when every string in `value` stands in the text, to the letter."""
    if isinstance(value, str):
        return value in given
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(_is_given(member, given) for member in members)
