"""The slow obvious reader of a whole, well-formed answer, and its writer; strings in, plain values out.

No streaming, no tolerance, no types: every value is text. Never imported by the package.
"""

import re


def read_answer(text: str) -> tuple[str, str, list[tuple[str, dict[str, str]]]]:
    """(reasoning, content without calls, calls) of `REASONING\\n</think>\\nCONTENT CALLS`."""
    reasoning, content = text.split("\n</think>\n", 1)
    calls = []
    for block in re.findall(r"<tool_call>\n(.*?)</tool_call>", content, re.DOTALL):
        name = re.match(r"<function=(.*?)>\n", block)[1]
        values = re.findall(r"<parameter=(.*?)>\n(.*?)\n</parameter>\n", block, re.DOTALL)
        calls.append((name, dict(values)))
    return reasoning, re.sub(r"<tool_call>.*?</tool_call>", "", content, flags=re.DOTALL), calls


def split_stop(text: str, stop: list[str]) -> str:
    """`text` up to the stop string that is complete first (the longest, if several end there)."""
    for end in range(len(text) + 1):
        ending = [s for s in stop if text[:end].endswith(s)]
        if ending:
            return text[: end - max(map(len, ending))]
    return text


def split_added(text: str, contents: list[str]) -> list[str]:
    """Cut text at added tokens: leftmost first, longest of those that begin there."""
    for start in range(len(text)):
        found = [c for c in contents if text.startswith(c, start)]
        if found:
            token = max(found, key=len)
            head = [text[:start]] if start else []
            return [*head, token, *split_added(text[start + len(token) :], contents)]
    return [text] if text else []
