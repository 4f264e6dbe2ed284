"""Golden transcripts: what a model wrote, and the answer it must become, however the text is cut."""

from dataclasses import dataclass
from typing import Any

from flashstep.types import FinishReason, Tool


def tool(name: str, **properties: dict[str, Any]) -> Tool:
    """A declared function with these parameters."""
    parameters = {"type": "object", "properties": properties}
    function = {"name": name, "description": name, "parameters": parameters}
    return Tool(name, name, parameters, {"type": "function", "function": function})


TOOLS = (
    tool("get_weather", city={"type": "string"}, days={"type": "integer"}),
    tool("write_file", path={"type": "string"}, content={"type": "string"}),
    tool("search", q={"type": "string"}, limit={"type": "number"}, exact={"type": "boolean"},
         filters={"type": "object"}, tags={"type": "array"}),
    tool("ping"),
)  # fmt: skip


@dataclass(frozen=True)
class Transcript:
    """`calls` are (name, JSON text of the arguments); `reason` is the engine's, `finish` ours."""

    name: str
    text: str
    reasoning: str | None = None
    content: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    reason: FinishReason = "stop"
    finish: FinishReason = "stop"
    tools: tuple[Tool, ...] = TOOLS
    stop: tuple[str, ...] = ()


def call(name: str, **values: str) -> str:
    """A well-formed call in the model's format."""
    parameters = "".join(f"<parameter={k}>\n{v}\n</parameter>\n" for k, v in values.items())
    return f"<tool_call>\n<function={name}>\n{parameters}</function>\n</tool_call>"


OSLO = ("get_weather", '{"city": "Oslo"}')
LONG = 'line with "quotes" and \\ and ü\n' * 60

TRANSCRIPTS = (
    Transcript("plain answer", "Hm.\n</think>\nYes.", "Hm.", "Yes."),
    Transcript("one newline on each side", "\nHm.\n\n</think>\n\nYes.\n", "\nHm.\n", "\nYes.\n"),
    Transcript("no newlines at all", "Hm.</think>Yes.", "Hm.", "Yes."),
    Transcript("empty reasoning", "\n</think>\nYes.", None, "Yes."),
    Transcript("repeated think", "<think>\nHm.\n</think>\nYes.", "Hm.", "Yes."),
    Transcript("repeated think, nothing else", "<think>", None, finish="length"),
    Transcript("never closed", "Hm\n<think> </thin", "Hm\n<think> </thin", finish="length"),
    Transcript("never closed, cut", "Hm.\n", "Hm.\n", reason="length", finish="length"),
    Transcript("second end tag is text", "a</think>b</think><think>c", "a", "b</think><think>c"),
    Transcript("unicode", "考え中 🤔\n</think>\n今日は 🎉é\u200d👩‍🚀 ok",
               "考え中 🤔", "今日は 🎉é\u200d👩‍🚀 ok"),
    Transcript("nearly tags", "a < b </thing\n</think>\n<b> <tool_> <", "a < b </thing", "<b> <tool_> <"),
    Transcript("one call", f"r\n</think>\n{call('get_weather', city='Oslo')}", "r", "", (OSLO,),
               finish="tool_calls"),
    Transcript("text and two calls", f"r\n</think>\nLet me.{call('get_weather', city='Zürich', days='2')}"
               f"{call('ping')}", "r", "Let me.", (("get_weather", '{"city": "Zürich", "days": 2}'),
               ("ping", "{}")), finish="tool_calls"),
    Transcript("blanks between calls are markup", f"r\n</think>\n{call('ping')}\n\n{call('ping')}\n", "r", "",
               (("ping", "{}"), ("ping", "{}")), finish="tool_calls"),
    Transcript("text between and behind calls", f"</think>a {call('ping')} b {call('ping')}\n c\n", None,
               "a  b \n c\n", (("ping", "{}"), ("ping", "{}")), finish="tool_calls"),
    Transcript("markup inside a value", "</think>" + call("write_file", path="a.html",
               content="<b>x</b>\n\n<tool_call> & </think> <function> </param>\n"), None, "",
               (("write_file", '{"path": "a.html", '
                 '"content": "<b>x</b>\\n\\n<tool_call> & </think> <function> </param>\\n"}'),),
               finish="tool_calls"),
    Transcript("typed values", "</think>" + call("search", q="007", limit="2.50", exact="TRUE",
               filters="{'a': [1, None], \"ü\": true and 1}", tags='["é", {"x": 1}]'), None, "",
               (("search", '{"q": "007", "limit": 2.5, "exact": true, '
                 '"filters": "{\'a\': [1, None], \\"ü\\": true and 1}", "tags": ["é", {"x": 1}]}'),),
               finish="tool_calls"),
    Transcript("nulls", "</think>" + call("search", q="null", limit="NULL", exact="None", tags="null"), None,
               "", (("search", '{"q": null, "limit": null, "exact": null, "tags": null}'),),
               finish="tool_calls"),
    Transcript("missing parameter ends", "</think><tool_call>\n<function=get_weather>\n<parameter=city>\n"
               "Oslo\n<parameter=days>\n3\n</function>\n</tool_call>", None, "",
               (("get_weather", '{"city": "Oslo", "days": 3}'),), finish="tool_calls"),
    Transcript("missing function end", "</think><tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n"
               "</parameter>\n</tool_call>", None, "", (OSLO,), finish="tool_calls"),
    Transcript("ends missing at the model's own end", "</think><tool_call>\n<function=get_weather>\n"
               "<parameter=city>\nOslo\n", None, "", (OSLO,), finish="tool_calls"),
    Transcript("only the wrapper's end is there", "</think><tool_call>\n<function=get_weather>\n"
               "<parameter=city>\nOslo\n</tool_call>\n", None, "", (OSLO,), finish="tool_calls"),
    Transcript("cut inside a value", "</think>ok <tool_call>\n<function=get_weather>\n<parameter=city>\nOs",
               None, "ok <tool_call>\n<function=get_weather>\n<parameter=city>\nOs", reason="length",
               finish="length"),
    Transcript("cut inside a name", "</think><tool_call>\n<function=get_wea", None,
               "<tool_call>\n<function=get_wea"),
    Transcript("no wrapper", "</think>ok <function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n"
               "</function> done", None, "ok  done", (OSLO,), finish="tool_calls"),
    Transcript("no wrapper and not declared", "</think>a std::<function=int> b", None,
               "a std::<function=int> b"),
    Transcript("unknown function in full form", "</think>" + call("nope", n="1", x="{}"), None, "",
               (("nope", '{"n": "1", "x": "{}"}'),), finish="tool_calls"),
    Transcript("two functions in one wrapper", "</think><tool_call>\n<function=ping>\n</function>\n"
               "<function=get_weather><parameter=city>Oslo</parameter></function></tool_call>", None, "",
               (("ping", "{}"), OSLO), finish="tool_calls"),
    Transcript("blanks and quotes around names", "</think><tool_call> <function = \"get_weather\" >\n"
               "<parameter='city'>\nOslo\n</parameter></function></tool_call>", None, "", (OSLO,),
               finish="tool_calls"),
    Transcript("no sign, declared", "</think><tool_call>\n<function ping>\n</function>\n</tool_call>", None,
               "", (("ping", "{}"),), finish="tool_calls"),
    Transcript("no sign, not declared", "</think><tool_call>\n<function bash>\nls\n</function></tool_call>",
               None, "<tool_call>\n<function bash>\nls\n</function></tool_call>"),
    Transcript("literal tag in prose", "</think>The <tool_call> tag. <tool_call>", None,
               "The <tool_call> tag. <tool_call>"),
    Transcript("stray text in a call", "</think><tool_call>\n<function=ping>\nplease\n</function>"
               f"\n</tool_call>{call('ping')}", None, "<tool_call>\n<function=ping>\nplease\n</function>\n"
               "</tool_call>", (("ping", "{}"),), finish="tool_calls"),
    Transcript("empty wrappers are dropped", f"</think><tool_call></tool_call><tool_call>\n</tool_call>"
               f"{call('ping')}", None, "", (("ping", "{}"),), finish="tool_calls"),
    Transcript("the last of a repeated parameter wins", "</think><tool_call>\n<function=get_weather>\n"
               "<parameter=city>\nBergen\n</parameter>\n<parameter=days>\n1\n</parameter>\n"
               "<parameter=city>\nOslo\n</parameter>\n</function>\n</tool_call>", None, "",
               (("get_weather", '{"city": "Oslo", "days": 1}'),), finish="tool_calls"),
    Transcript("call ends the turn inside the reasoning", f"need it\n{call('get_weather', city='Oslo')}\n",
               "need it", "", (OSLO,), finish="tool_calls"),
    Transcript("call before a late end", f"r\n{call('ping')}\n{call('ping')}\n</think>\n", "r", "",
               (("ping", "{}"), ("ping", "{}")), finish="tool_calls"),
    Transcript("call only mentioned in the reasoning", f"I could {call('ping')} but\n</think>\nNo.",
               f"I could {call('ping')} but", "No."),
    Transcript("call in the reasoning, then an answer", f"r {call('ping')}\n</think>\nNo.",
               f"r {call('ping')}", "No."),
    Transcript("undeclared call in the reasoning", f"r {call('bash', c='ls')}", f"r {call('bash', c='ls')}",
               finish="length"),
    Transcript("call in a cut reasoning", f"r {call('ping')}", f"r {call('ping')}", reason="length",
               finish="length"),
    Transcript("mention, then a real call", f"say <tool_call>\n<function=ping> or\n{call('ping')}",
               "say <tool_call>\n<function=ping> or", "", (("ping", "{}"),), finish="tool_calls"),
    Transcript("without tools nothing is a call", f"r {call('ping')}\n</think>\n{call('ping')}\n",
               f"r {call('ping')}", f"{call('ping')}\n", tools=()),
    Transcript("stop string", "a END b\n</think>\nsome EN ENDING", "a END b", "some EN ",
               stop=("END", "NDI")),
    Transcript("stop string never completed", "</think>some EN", None, "some EN", stop=("END",)),
    Transcript("stop strings ignore arguments", "</think>" + call("get_weather", city="Oslo") + "x Oslo y",
               None, "x ", (OSLO,), stop=("Oslo",), finish="tool_calls"),
    Transcript("long text value", "</think>" + call("write_file", path="a", content=LONG), None, "",
               (("write_file", '{"path": "a", "content": "' +
                 LONG.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"}'),),
               finish="tool_calls"),
    Transcript("long call cut", "</think>" + call("write_file", path="a", content=LONG)[:1500], None, "",
               reason="length", finish="length"),
    Transcript("long call with stray text", "</think><tool_call>\n<function=write_file>\n<parameter=path>\n"
               f"{'a' * 1100}\n</parameter>\noops\n</function>", None, "\noops\n</function>"),
)  # fmt: skip
